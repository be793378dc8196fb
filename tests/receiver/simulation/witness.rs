//! What stands between a program and its clients and sees what each call brought: the wire does not tell whose call it
//! was, and the program is not asked.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use flinks_webhooks::{
    auth::{Scheme, SecretSource, SecretVersion, Stage},
    aws_error::AwsError,
    delivery::{
        Attribute, Depth, Object, OutboundMessage, Page, PayloadStore, Queues, Receipt, Storage, UNDELIVERED_PREFIX,
        UndeliveredKey, UndeliveredStore,
    },
};

use serde_json::Value;

use super::{
    known::{Held, Version},
    line::Line,
    weather::Service,
};

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
        let began = self.line.now();
        let mut read = Read { line: &self.line, scheme, stage, began, held: None };
        let version = self.client.fetch(scheme, stage).await;
        let version = version.inspect_err(|error| self.line.has_failed(Service::Secrets, began, error))?;
        let held = |version: &SecretVersion| Version {
            id: version.id.clone(),
            text: version.text.as_ref().map(|text| text.to_string()).unwrap_or_default(),
        };
        read.held = Some(version.as_ref().map(held));
        Ok(version)
    }
}

impl<Q: Queues + Sync> Queues for Witness<Q> {
    async fn send(&self, message: OutboundMessage<'_>) -> Result<(), AwsError> {
        let (began, object) = (self.line.now(), pointed_at(&message.body, message.attributes));
        let doubt = self.sending(message.attributes);
        let attempt = Attempt::begins(&self.line, false);
        if let Some(object) = &object {
            self.line.object_is_sent(object);
        }
        let sent = self.client.send(message).await;
        doubt.answered();
        if let Err(error) = &sent {
            self.line.has_failed(Service::Sqs, began, error);
            if let Some(object) = object.filter(|_| error.is_definite()) {
                self.line.object_is_unused(&object);
            }
        }
        attempt.ended(&sent);
        sent
    }
}

impl<P: PayloadStore + Sync> PayloadStore for Witness<P> {
    fn bucket(&self) -> &str {
        self.client.bucket()
    }

    async fn put(&self, key: &str, payload: Bytes, metadata: &[(&'static str, &str)]) -> Result<(), AwsError> {
        let began = self.line.now();
        let put = match key.strip_prefix(UNDELIVERED_PREFIX).and_then(|key| key.split_once('/')) {
            Some((_, delivery_id)) => {
                self.line.bucket_begins();
                let doubt = self.doubt(Service::S3, delivery_id);
                let put = self.client.put(key, payload, metadata).await;
                doubt.answered();
                put.inspect_err(|error| self.line.bucket_failed(error))
            }
            // A claim check's object makes no message by itself.
            None => {
                self.line.object_is_put(key);
                let attempt = Attempt::begins(&self.line, true);
                let put = self.client.put(key, payload, metadata).await;
                if put.is_ok() {
                    self.line.attempt_goes_on();
                }
                attempt.ended(&put);
                put
            }
        };
        put.inspect_err(|error| self.line.has_failed(Service::S3, began, error))
    }
}

impl<P: UndeliveredStore + Sync> UndeliveredStore for Witness<P> {
    async fn list(&self, prefix: &str, depth: Depth, after: Option<String>) -> Result<Page, AwsError> {
        let began = self.line.now();
        let page = self.client.list(prefix, depth, after).await;
        page.inspect_err(|error| self.line.has_failed(Service::S3, began, error))
    }

    async fn get(&self, key: &UndeliveredKey) -> Result<Option<Object>, AwsError> {
        let began = self.line.now();
        // A turn of the payload begins, which is a delivery of its own.
        let name = key.to_string();
        self.line.delivery_begins(name.rsplit_once('/').map_or("", |(_, delivery_id)| delivery_id));
        let object = self.client.get(key).await;
        object.inspect_err(|error| self.line.has_failed(Service::S3, began, error))
    }

    async fn delete_unused(&self, key: &str) -> Result<(), AwsError> {
        self.client.delete_unused(key).await?;
        self.line.object_is_discarded(key);
        Ok(())
    }

    async fn remove(&self, key: &UndeliveredKey, sent: &Receipt) -> Result<(), AwsError> {
        let began = self.line.now();
        let name = key.to_string();
        let (_, delivery_id) = name.rsplit_once('/').unwrap();
        let doubt = self.doubt(Service::S3, delivery_id);
        let removed = self.client.remove(key, sent).await;
        removed.inspect_err(|error| self.line.has_failed(Service::S3, began, error))?;
        doubt.answered();
        Ok(())
    }
}

/// The object that a message points at, if it does.
fn pointed_at(body: &str, attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find(|attribute| attribute.name == "ExtendedPayloadSize")?;
    let pointer: Value = serde_json::from_str(body).ok()?;
    pointer[1]["s3Key"].as_str().map(str::to_owned)
}

/// An attempt on the queue under way, or the part of it that is its object. It has failed if it is dropped.
struct Attempt<'l> {
    line: &'l Line,
    is_over: bool,
}

impl<'l> Attempt<'l> {
    fn begins(line: &'l Line, with_object: bool) -> Self {
        line.attempt_begins(with_object);
        Self { line, is_over: false }
    }

    fn ended(mut self, ended: &Result<(), AwsError>) {
        self.is_over = true;
        if let Err(error) = ended {
            self.line.attempt_failed(Some(error));
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.line.attempt_failed(None);
        }
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
    began: Duration,
    /// What it brought; none while it has failed.
    held: Held,
}

impl Drop for Read<'_> {
    fn drop(&mut self) {
        self.line.note_read(self.scheme, self.stage, self.began, self.held.take());
    }
}
