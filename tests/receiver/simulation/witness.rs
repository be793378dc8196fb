//! Wraps a program's AWS clients and records the result of each call. The network does not know which callback a call
//! belongs to, and the program is not asked.

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
    connection::Connection,
    known::{Held, Version},
    weather::Service,
};

pub struct Witness<T> {
    client: T,
    connection: Arc<Connection>,
    /// Another process does the same work at the same time, so this one may send a message again.
    is_second: bool,
}

impl<T> Witness<T> {
    pub fn new(client: T, connection: &Arc<Connection>) -> Self {
        Self { client, connection: Arc::clone(connection), is_second: false }
    }

    fn doubt<'l>(&'l self, service: Service, delivery_id: &'l str) -> Doubt<'l> {
        let before = self.connection.doubtful_responses(service);
        Doubt { connection: &self.connection, service, delivery_id, before, has_response: false }
    }

    fn sending<'l>(&'l self, attributes: &'l [Attribute]) -> Doubt<'l> {
        let id = attributes.iter().find(|attribute| attribute.name == "DeliveryId").map_or("", |id| &id.value);
        if self.is_second {
            self.connection.allow_copies(id, 1);
        }
        self.doubt(Service::Sqs, id)
    }
}

/// Wraps both parts of a storage.
pub fn storage<Q, P>(
    Storage { queues, payloads, .. }: Storage<Q, P>,
    connection: &Arc<Connection>,
    is_second: bool,
) -> Storage<Witness<Q>, Witness<P>> {
    Storage::new(
        Witness { is_second, ..Witness::new(queues, connection) },
        Witness { is_second, ..Witness::new(payloads, connection) },
    )
}

impl<S: SecretSource + Sync> SecretSource for Witness<S> {
    async fn fetch(&self, scheme: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
        let began = self.connection.now();
        let mut read = Read { connection: &self.connection, scheme, stage, began, held: None };
        let version = self.client.fetch(scheme, stage).await;
        let version = version.inspect_err(|error| self.connection.has_failed(Service::Secrets, began, error))?;
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
        let (began, object) = (self.connection.now(), pointed_at(&message.body, message.attributes));
        let doubt = self.sending(message.attributes);
        let attempt = Attempt::begins(&self.connection, false);
        if let Some(object) = &object {
            self.connection.object_is_sent(object);
        }
        let sent = self.client.send(message).await;
        doubt.got_response();
        if let Err(error) = &sent {
            self.connection.has_failed(Service::Sqs, began, error);
            if let Some(object) = object.filter(|_| error.is_definite()) {
                self.connection.object_is_unused(&object);
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
        let began = self.connection.now();
        let put = match key.strip_prefix(UNDELIVERED_PREFIX).and_then(|key| key.split_once('/')) {
            Some((_, delivery_id)) => {
                self.connection.bucket_begins();
                let doubt = self.doubt(Service::S3, delivery_id);
                let put = self.client.put(key, payload, metadata).await;
                doubt.got_response();
                put.inspect_err(|error| self.connection.bucket_failed(error))
            }
            // A claim check's object makes no message by itself.
            None => {
                self.connection.object_is_put(key);
                let attempt = Attempt::begins(&self.connection, true);
                let put = self.client.put(key, payload, metadata).await;
                if put.is_ok() {
                    self.connection.attempt_goes_on();
                }
                attempt.ended(&put);
                put
            }
        };
        put.inspect_err(|error| self.connection.has_failed(Service::S3, began, error))
    }
}

impl<P: UndeliveredStore + Sync> UndeliveredStore for Witness<P> {
    async fn list(&self, prefix: &str, depth: Depth, after: Option<String>) -> Result<Page, AwsError> {
        let began = self.connection.now();
        let page = self.client.list(prefix, depth, after).await;
        page.inspect_err(|error| self.connection.has_failed(Service::S3, began, error))
    }

    async fn get(&self, key: &UndeliveredKey) -> Result<Option<Object>, AwsError> {
        let began = self.connection.now();
        // The redelivery begins with this payload, which is a delivery of its own.
        let name = key.to_string();
        self.connection.delivery_begins(name.rsplit_once('/').map_or("", |(_, delivery_id)| delivery_id));
        let object = self.client.get(key).await;
        object.inspect_err(|error| self.connection.has_failed(Service::S3, began, error))
    }

    async fn delete_unused(&self, key: &str) -> Result<(), AwsError> {
        self.client.delete_unused(key).await?;
        self.connection.object_is_discarded(key);
        Ok(())
    }

    async fn remove(&self, key: &UndeliveredKey, sent: &Receipt) -> Result<(), AwsError> {
        let began = self.connection.now();
        let name = key.to_string();
        let (_, delivery_id) = name.rsplit_once('/').unwrap();
        let doubt = self.doubt(Service::S3, delivery_id);
        let removed = self.client.remove(key, sent).await;
        removed.inspect_err(|error| self.connection.has_failed(Service::S3, began, error))?;
        doubt.got_response();
        Ok(())
    }
}

/// The object that a message points to, if any.
fn pointed_at(body: &str, attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find(|attribute| attribute.name == "ExtendedPayloadSize")?;
    let pointer: Value = serde_json::from_str(body).ok()?;
    pointer[1]["s3Key"].as_str().map(str::to_owned)
}

/// A running attempt with the queue, or the part of it that puts the object. If it is dropped, it has failed.
struct Attempt<'l> {
    connection: &'l Connection,
    is_over: bool,
}

impl<'l> Attempt<'l> {
    fn begins(connection: &'l Connection, with_object: bool) -> Self {
        connection.attempt_begins(with_object);
        Self { connection, is_over: false }
    }

    fn ended(mut self, ended: &Result<(), AwsError>) {
        self.is_over = true;
        if let Err(error) = ended {
            self.connection.attempt_failed(Some(error));
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.attempt_failed(None);
        }
    }
}

/// A running call that AWS may carry out without a response. Each time this can have happened, one more message with
/// its DeliveryId is allowed.
struct Doubt<'l> {
    connection: &'l Connection,
    service: Service,
    delivery_id: &'l str,
    /// The connection's number of doubtful responses when the call began.
    before: u32,
    has_response: bool,
}

impl Doubt<'_> {
    fn got_response(mut self) {
        self.has_response = true;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        let doubtful = self.connection.doubtful_responses(self.service) - self.before;
        self.connection.allow_copies(self.delivery_id, doubtful + u32::from(!self.has_response));
    }
}

/// A running read of a secret.
struct Read<'l> {
    connection: &'l Connection,
    scheme: Scheme,
    stage: Stage,
    began: Duration,
    /// The result. `None` until the read succeeds.
    held: Held,
}

impl Drop for Read<'_> {
    fn drop(&mut self) {
        self.connection.note_read(self.scheme, self.stage, self.began, self.held.take());
    }
}
