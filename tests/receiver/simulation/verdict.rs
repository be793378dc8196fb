//! Checks what the queues and the bucket hold at the end of a run.

use std::collections::{BTreeMap, BTreeSet};

use flinks_dev::stack::{PAYLOAD_BUCKET, dead_letter_queue};
use flinks_webhooks::routing::Kind;
use sha2::{Digest, Sha256};

use super::state::{Simulation, lock};
use crate::support::pointer;

/// Compares what Flinks sent with what is stored:
///
/// - A callback that got 200 is on the queue of its kind, byte for byte, if need be through its claim check.
/// - The DeliveryId of each message is the SHA-256 of its payload, and its SignatureForm is the one that Flinks signed.
/// - There are no more messages than callbacks, plus one for each call with an unknown outcome.
/// - No two messages share an object.
/// - Every stored payload is that of an authentic callback.
/// - No payload is undelivered, and there are no dead letters.
pub fn check(simulation: &Simulation) {
    let deliveries = std::mem::take(&mut *lock(&simulation.deliveries));
    let aws = &simulation.stack.aws;
    let mut authentic = BTreeMap::<&str, BTreeSet<(Kind, &str)>>::new();
    for delivery in &deliveries {
        authentic.entry(&delivery.delivery_id).or_default().insert((delivery.kind, delivery.form.as_str()));
    }
    let objects = aws.objects(PAYLOAD_BUCKET);
    let digests: BTreeMap<_, _> = objects.iter().map(|(key, object)| (key.as_str(), digest(&object.body))).collect();
    for (key, digest) in &digests {
        if !authentic.contains_key(digest.as_str()) {
            simulation.violation(&format!("the object {key} holds a payload that Flinks never sent"));
        }
        if key.starts_with("undelivered/") {
            simulation.violation(&format!("{key} is still undelivered"));
        }
    }

    let mut there = BTreeMap::<(Kind, String), u32>::new();
    let mut claimed = BTreeSet::new();
    for kind in Kind::ALL {
        if !aws.messages(&dead_letter_queue(kind)).is_empty() {
            simulation.violation(&format!("there are dead letters of the {}", kind.queue()));
        }
        for message in aws.messages(kind.queue()) {
            let attribute = |name: &str| message.attributes.get(name).map_or("", |attribute| attribute.value.as_str());
            let payload = match pointer(&message) {
                None => digest(message.body.as_bytes()),
                Some(key) => {
                    let payload = digests.get(key.as_str()).cloned().unwrap_or_default();
                    if !claimed.insert(key.clone()) {
                        simulation.violation(&format!("two messages share the object {key}"));
                    }
                    payload
                }
            };
            let id = attribute("DeliveryId");
            let form = attribute("SignatureForm");
            if payload != id {
                simulation.violation(&format!("a message on the {} has another payload than {id}", kind.queue()));
            }
            if !authentic.get(payload.as_str()).is_some_and(|sent| sent.contains(&(kind, form))) {
                simulation.violation(&format!("{id}, {form}, on the {}, is not what Flinks sent", kind.queue()));
            }
            *there.entry((kind, payload)).or_default() += 1;
        }
    }
    for delivery in deliveries.iter().filter(|delivery| delivery.is_stored) {
        if !there.contains_key(&(delivery.kind, delivery.delivery_id.clone())) {
            let (index, queue) = (delivery.index, delivery.kind.queue());
            simulation.violation(&format!("callback {index} got 200 and is not on the {queue}"));
        }
    }
    let mut wanted = BTreeMap::<(Kind, &str), u32>::new();
    for delivery in deliveries.iter().filter(|delivery| delivery.is_stored) {
        *wanted.entry((delivery.kind, &delivery.delivery_id)).or_default() += 1;
    }
    let allowed_copies = lock(&simulation.allowed_copies);
    for ((kind, id), count) in there {
        let wanted = wanted.get(&(kind, id.as_str())).copied().unwrap_or_default();
        let allowed = wanted + allowed_copies.get(&id).copied().unwrap_or_default();
        if count > allowed {
            simulation
                .violation(&format!("{id} is {count} times on the {}, and only {allowed} are explained", kind.queue()));
        }
        if count > 1 {
            simulation.count("twice or more on its queue");
        }
        simulation.note(&format!("{id} {count} times on the {}", kind.queue()));
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
