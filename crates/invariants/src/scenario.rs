//! Runs the receiver with secrets, queues and a bucket in memory, which fail on demand.

use std::{
    cell::OnceCell,
    future::pending,
    net::IpAddr,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use flinks_webhooks::{
    Receiver,
    auth::{IpAllowlist, KeyRules, Scheme, SecretSource, SecretVersion, Stage},
    aws_error::{AwsError, Operation, Reason},
    config::Policy,
    delivery::{OutboundMessage, PayloadStore, Queues, Storage},
    http::{Response, read_event},
    routing::{Kind, ResponseTypes},
    telemetry::Record,
};
use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

use crate::model::{payload::MAPPED, signature, sqs};

/// The bucket's name.
pub const BUCKET: &str = "payloads";

/// The IP allow-list, in scenarios that have one.
const ALLOWED: &str = "192.0.2.0/24,2001:db8::/32";

/// Whether an address is in one of [`ALLOWED`].
pub fn is_allowed(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(address) => address.octets().starts_with(&[192, 0, 2]),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_allowed(address.into()),
            None => address.segments().starts_with(&[0x2001, 0xDB8]),
        },
    }
}

/// A scheme's secrets: the current and the previous one.
pub fn secrets(scheme: signature::Scheme) -> [&'static str; 2] {
    match scheme {
        signature::Scheme::Aggregation => ["aggregation-secret", "aggregation-secret-before"],
        signature::Scheme::Pay => ["pay-secret", "pay-secret-before"],
    }
}

/// The `ResponseType` values that the operator maps.
pub fn mapped_response_types() -> ResponseTypes {
    let kind = Kind::ALL.into_iter().find(|kind| kind.label() == MAPPED.1).expect("a kind of that label");
    ResponseTypes::from([(MAPPED.0.to_owned(), kind)])
}

/// How a service behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    #[default]
    Works,
    Fails,
    Hangs,
    /// A queue rejects the content of a message but accepts a pointer. Other services work.
    Rejects,
    /// A queue throttles the first call. Other services work.
    Stutters,
}

impl Service {
    async fn call(self, operation: Operation) -> Result<(), AwsError> {
        match self {
            Self::Works | Self::Rejects | Self::Stutters => Ok(()),
            Self::Fails => Err(AwsError::new(operation, Reason::Service)),
            Self::Hangs => pending().await,
        }
    }
}

/// The receiver's surroundings, and what the receiver does with them.
#[derive(Default)]
pub struct Scenario {
    pub queues: Service,
    pub store: Service,
    pub secrets: Service,
    pub no_pay_secret: bool,
    /// The keys are rotated after the first read.
    pub rotates: bool,
    /// The previous keys have expired.
    pub previous_is_expired: bool,
    pub no_ascii_encoding: bool,
    /// Only [`ALLOWED`] may send.
    pub has_allowed_sources: bool,
    effects: Mutex<Effects>,
}

/// The receiver's calls and what they stored.
#[derive(Default)]
pub struct Effects {
    pub messages: Vec<Sent>,
    pub objects: Vec<Put>,
    /// Calls to put a message on a queue.
    sends: usize,
    /// Calls to fetch a secret, of both schemes.
    pub fetches: usize,
    /// Calls to fetch the current secret: of aggregation, of Pay.
    current_fetches: [usize; 2],
}

/// A message that a queue accepted.
pub struct Sent {
    pub kind: Kind,
    pub body: String,
    pub attributes: Vec<sqs::Attribute>,
    pub group_id: Option<String>,
}

/// An object that the bucket accepted.
pub struct Put {
    pub key: String,
    pub payload: Bytes,
    pub metadata: Vec<(&'static str, String)>,
}

/// The result of one event.
pub struct Outcome {
    pub response: Response,
    pub record: Record,
    pub effects: Effects,
}

impl Scenario {
    /// Passes an event's bytes to a cold receiver, as the program does.
    pub fn receive(self, event: &[u8]) -> Outcome {
        thread_local! {
            static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
        }
        let paused = || {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.expect("a runtime without input and output")
        };
        let previous_key_for =
            if self.previous_is_expired { Duration::ZERO } else { Duration::from_secs(7 * 24 * 60 * 60) };
        let allowlist = match self.has_allowed_sources {
            true => IpAllowlist::parse(ALLOWED).expect("a list of networks"),
            false => IpAllowlist::default(),
        };
        let key_rules = KeyRules { previous_key_for, accept_ascii: !self.no_ascii_encoding };
        let policy = Policy { allowlist, key_rules, response_types: mapped_response_types() };
        let receiver = Receiver::new(policy, &self, Storage::new(&self, &self));
        let mut record = Record::default();
        let response = RUNTIME
            .with(|runtime| runtime.get_or_init(paused).block_on(receiver.receive(read_event(event), &mut record)));
        drop(receiver);
        Outcome { response, record, effects: self.effects.into_inner().expect("nothing has panicked") }
    }

    fn note(&self, what: impl FnOnce(&mut Effects)) {
        what(&mut self.effects.lock().expect("nothing has panicked"));
    }
}

impl SecretSource for &Scenario {
    async fn fetch(&self, scheme: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
        let mut first = false;
        self.note(|effects| {
            effects.fetches += 1;
            let [aggregation, pay] = &mut effects.current_fetches;
            let fetches = if scheme == Scheme::Pay { pay } else { aggregation };
            *fetches += usize::from(stage == Stage::Current);
            first = *fetches < 2;
        });
        self.secrets.call(Operation::GetSecretValue).await?;
        let is_pay = scheme == Scheme::Pay;
        if is_pay && self.no_pay_secret {
            return Ok(None);
        }
        let [current, before] = secrets(if is_pay { signature::Scheme::Pay } else { signature::Scheme::Aggregation });
        let (id, secret) = match (stage, self.rotates && first) {
            (Stage::Current, false) => ("current", current),
            (Stage::Current, true) | (Stage::Previous, false) => ("before", before),
            (Stage::Previous, true) => return Ok(None),
        };
        // The receiver ignores a line break at the end.
        let text = Some(Zeroizing::new(format!("{secret}\n")));
        Ok(Some(SecretVersion { id: id.to_owned(), created: Some(SystemTime::now()), text }))
    }
}

impl Queues for &Scenario {
    async fn send(&self, message: OutboundMessage<'_>) -> Result<(), AwsError> {
        let OutboundMessage { kind, body, attributes, group_id, trace_header: _ } = message;
        let mut first = false;
        self.note(|effects| {
            first = effects.sends == 0;
            effects.sends += 1;
        });
        self.queues.call(Operation::SendMessage).await?;
        let failed = |code: &str| AwsError {
            code: Some(code.to_owned()),
            ..AwsError::new(Operation::SendMessage, Reason::Service)
        };
        if self.queues == Service::Stutters && first {
            return Err(failed("RequestThrottled"));
        }
        if self.queues == Service::Rejects
            && !attributes.iter().any(|attribute| attribute.name == "ExtendedPayloadSize")
        {
            return Err(failed("InvalidMessageContents"));
        }
        let attributes = attributes
            .iter()
            .map(|attribute| {
                (attribute.name.to_owned(), attribute.data_type.as_str().to_owned(), attribute.value.clone())
            })
            .collect();
        self.note(|effects| {
            effects.messages.push(Sent { kind, body, attributes, group_id: group_id.map(str::to_owned) })
        });
        Ok(())
    }
}

impl PayloadStore for &Scenario {
    fn bucket(&self) -> &str {
        BUCKET
    }

    async fn put(&self, key: &str, payload: Bytes, metadata: &[(&'static str, &str)]) -> Result<(), AwsError> {
        self.store.call(Operation::PutObject).await?;
        let metadata = metadata.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.note(|effects| effects.objects.push(Put { key: key.to_owned(), payload, metadata }));
        Ok(())
    }
}
