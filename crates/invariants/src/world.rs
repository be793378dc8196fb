//! The receiver with all around it played: secrets, queues and bucket in memory, and services that fail on demand.

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

/// The networks that may send, where there is a list.
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

/// A scheme's secrets: the current one and the one before.
pub fn secrets(scheme: signature::Scheme) -> [&'static str; 2] {
    match scheme {
        signature::Scheme::Aggregation => ["aggregation-secret", "aggregation-secret-before"],
        signature::Scheme::Pay => ["pay-secret", "pay-secret-before"],
    }
}

/// The operator's `ResponseType` values.
pub fn mapped() -> ResponseTypes {
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
    /// A queue that does not take the content, but does take a pointer. Anything else is none of it: it works.
    Refuses,
    /// A queue that throttles the first call. Anything else works.
    Stutters,
}

impl Service {
    async fn call(self, operation: Operation) -> Result<(), AwsError> {
        match self {
            Self::Works | Self::Refuses | Self::Stutters => Ok(()),
            Self::Fails => Err(AwsError::new(operation, Reason::Service)),
            Self::Hangs => pending().await,
        }
    }
}

/// What is around the receiver, and what it did there.
#[derive(Default)]
pub struct World {
    pub queues: Service,
    pub store: Service,
    pub secrets: Service,
    pub no_pay_secret: bool,
    /// The current keys become that only after they were first asked for.
    pub rotates: bool,
    /// The time in which the previous keys are accepted is over.
    pub previous_is_expired: bool,
    pub no_ascii_reading: bool,
    /// Only [`ALLOWED`] may send.
    pub has_allowed_sources: bool,
    done: Mutex<Done>,
}

/// What the receiver did.
#[derive(Default)]
pub struct Done {
    pub messages: Vec<Sent>,
    pub objects: Vec<Put>,
    /// Calls to put a message on a queue.
    sends: usize,
    /// Calls to fetch a secret, of both schemes.
    pub fetches: usize,
    /// Calls to fetch the current secret: of aggregation, of Pay.
    current_fetches: [usize; 2],
}

/// A message that a queue took.
pub struct Sent {
    pub kind: Kind,
    pub body: String,
    pub attributes: Vec<sqs::Attribute>,
    pub group_id: Option<String>,
}

/// An object that the bucket took.
pub struct Put {
    pub key: String,
    pub payload: Bytes,
    pub metadata: Vec<(&'static str, String)>,
}

/// What came of one event.
pub struct Outcome {
    pub answer: Response,
    pub record: Record,
    pub done: Done,
}

impl World {
    /// Hands an event's bytes to a receiver that has just started, as the program does.
    pub fn receive(self, event: &[u8]) -> Outcome {
        thread_local! {
            static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
        }
        let paused = || {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.expect("a runtime that does no input or output")
        };
        let previous_key_for =
            if self.previous_is_expired { Duration::ZERO } else { Duration::from_secs(7 * 24 * 60 * 60) };
        let allowlist = match self.has_allowed_sources {
            true => IpAllowlist::parse(ALLOWED).expect("a list of networks"),
            false => IpAllowlist::default(),
        };
        let key_rules = KeyRules { previous_key_for, accept_ascii: !self.no_ascii_reading };
        let policy = Policy { allowlist, key_rules, response_types: mapped() };
        let receiver = Receiver::new(policy, &self, Storage::new(&self, &self));
        let mut record = Record::default();
        let answer = RUNTIME
            .with(|runtime| runtime.get_or_init(paused).block_on(receiver.receive(read_event(event), &mut record)));
        drop(receiver);
        Outcome { answer, record, done: self.done.into_inner().expect("nothing has panicked") }
    }

    fn note(&self, what: impl FnOnce(&mut Done)) {
        what(&mut self.done.lock().expect("nothing has panicked"));
    }
}

impl SecretSource for &World {
    async fn fetch(&self, scheme: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
        let mut first = false;
        self.note(|done| {
            done.fetches += 1;
            let [aggregation, pay] = &mut done.current_fetches;
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
        // A line break at the end is not part of it.
        let text = Some(Zeroizing::new(format!("{secret}\n")));
        Ok(Some(SecretVersion { id: id.to_owned(), created: Some(SystemTime::now()), text }))
    }
}

impl Queues for &World {
    async fn send(&self, message: OutboundMessage<'_>) -> Result<(), AwsError> {
        let OutboundMessage { kind, body, attributes, group_id } = message;
        let mut first = false;
        self.note(|done| {
            first = done.sends == 0;
            done.sends += 1;
        });
        self.queues.call(Operation::SendMessage).await?;
        let failed = |code: &str| AwsError {
            code: Some(code.to_owned()),
            ..AwsError::new(Operation::SendMessage, Reason::Service)
        };
        if self.queues == Service::Stutters && first {
            return Err(failed("RequestThrottled"));
        }
        if self.queues == Service::Refuses
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
        self.note(|done| done.messages.push(Sent { kind, body, attributes, group_id: group_id.map(str::to_owned) }));
        Ok(())
    }
}

impl PayloadStore for &World {
    fn bucket(&self) -> &str {
        BUCKET
    }

    async fn put(&self, key: &str, payload: Bytes, metadata: &[(&'static str, &str)]) -> Result<(), AwsError> {
        self.store.call(Operation::PutObject).await?;
        let metadata = metadata.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.note(|done| done.objects.push(Put { key: key.to_owned(), payload, metadata }));
        Ok(())
    }
}
