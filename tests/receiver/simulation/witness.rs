//! What stands between a program and its clients and sees what each call brought: the wire does not tell whose call it
//! was, and the program is not asked.

use std::sync::Arc;

use bytes::Bytes;
use flinks_webhooks::{
    aws_error::AwsError,
    keys::{SecretSource, SecretVersion, Stage},
    kind::Kind,
    message::Attribute,
    redelivery::{Depth, Object, Page, SpilledPayloads},
    signature::Scheme,
    spilled::{PREFIX, SpilledKey},
    storage::{PayloadStore, Queues, Receipt, Storage},
};

use super::{line::Line, weather::Service};

pub struct Witness<T> {
    client: T,
    line: Arc<Line>,
    /// Another process does the same at the same time: what this one sends may be there already.
    is_second: bool,
}

impl<T> Witness<T> {
    pub fn new(client: T, line: &Arc<Line>) -> Self {
        Self { client, line: Arc::clone(line), is_second: false }
    }

    fn doubt<'l>(&'l self, service: Service, delivery_id: &'l str) -> Doubt<'l> {
        let before = self.line.doubtful_answers(service);
        Doubt { line: &self.line, service, delivery_id, before, is_answered: false }
    }

    fn sending<'l>(&'l self, attributes: &'l [Attribute]) -> Doubt<'l> {
        let id = attributes.iter().find(|attribute| attribute.name == "DeliveryId").map_or("", |id| &id.value);
        if self.is_second {
            self.line.allow_copies(id, 1);
        }
        self.doubt(Service::Sqs, id)
    }
}

/// Both sides of a storage.
pub fn storage<Q, P>(
    Storage { queues, payloads, .. }: Storage<Q, P>,
    line: &Arc<Line>,
    is_second: bool,
) -> Storage<Witness<Q>, Witness<P>> {
    Storage::new(
        Witness { is_second, ..Witness::new(queues, line) },
        Witness { is_second, ..Witness::new(payloads, line) },
    )
}

impl<S: SecretSource + Sync> SecretSource for Witness<S> {
    async fn fetch(&self, scheme: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
        let mut read = Read { line: &self.line, scheme, stage, held: None };
        let version = self.client.fetch(scheme, stage).await?;
        read.held = Some(
            version.as_ref().map(|version| version.text.as_ref().map(|text| text.to_string()).unwrap_or_default()),
        );
        Ok(version)
    }
}

impl<Q: Queues + Sync> Queues for Witness<Q> {
    async fn send(
        &self,
        kind: Kind,
        body: String,
        attributes: &[Attribute],
        group_id: Option<&str>,
    ) -> Result<(), AwsError> {
        let doubt = self.sending(attributes);
        let sent = self.client.send(kind, body, attributes, group_id).await;
        doubt.answered();
        sent
    }
}

impl<P: PayloadStore + Sync> PayloadStore for Witness<P> {
    fn bucket(&self) -> &str {
        self.client.bucket()
    }

    async fn put(&self, key: &str, payload: Bytes, metadata: &[(&'static str, &str)]) -> Result<(), AwsError> {
        // A claim check's object makes no message by itself.
        let spilled = key.strip_prefix(PREFIX).and_then(|key| key.split_once('/'));
        let doubt = spilled.map(|(_, delivery_id)| self.doubt(Service::S3, delivery_id));
        let put = self.client.put(key, payload, metadata).await;
        if let Some(doubt) = doubt {
            doubt.answered();
        }
        put
    }
}

impl<P: SpilledPayloads + Sync> SpilledPayloads for Witness<P> {
    async fn list(&self, prefix: &str, depth: Depth, after: Option<String>) -> Result<Page, AwsError> {
        self.client.list(prefix, depth, after).await
    }

    async fn get(&self, key: &SpilledKey) -> Result<Option<Object>, AwsError> {
        self.client.get(key).await
    }

    async fn discard(&self, key: &str) -> Result<(), AwsError> {
        self.client.discard(key).await
    }

    async fn remove(&self, key: &SpilledKey, sent: &Receipt) -> Result<(), AwsError> {
        let name = key.to_string();
        let (_, delivery_id) = name.rsplit_once('/').unwrap();
        let doubt = self.doubt(Service::S3, delivery_id);
        self.client.remove(key, sent).await?;
        doubt.answered();
        Ok(())
    }
}

/// A call under way that may be carried out without anybody hearing of it. Each time that this can have happened, one
/// message more of its DeliveryId is no surprise.
struct Doubt<'l> {
    line: &'l Line,
    service: Service,
    delivery_id: &'l str,
    /// The line's doubtful answers at the beginning.
    before: u32,
    is_answered: bool,
}

impl Doubt<'_> {
    fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        let doubtful = self.line.doubtful_answers(self.service) - self.before;
        self.line.allow_copies(self.delivery_id, doubtful + u32::from(!self.is_answered));
    }
}

/// A reading of a secret under way.
struct Read<'l> {
    line: &'l Line,
    scheme: Scheme,
    stage: Stage,
    /// What it brought; none while it has failed.
    held: Option<Option<String>>,
}

impl Drop for Read<'_> {
    fn drop(&mut self) {
        self.line.note_reading(self.scheme, self.stage, self.held.take());
    }
}
