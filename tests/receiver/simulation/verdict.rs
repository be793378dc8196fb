//! What the queues and the bucket have to hold when all is over.

use std::collections::{BTreeMap, BTreeSet};

use flinks_dev::stack::{PAYLOAD_BUCKET, dead_letter_queue};
use flinks_webhooks::routing::Kind;
use sha2::{Digest, Sha256};

use super::world::{World, lock};
use crate::support::pointer;

/// Compares what Flinks sent with what is there:
///
/// - what was answered with 200 is on the queue of its kind, byte for byte, its claim check resolved;
/// - each message has the SHA-256 of its payload for a DeliveryId, and the form that proved it;
/// - there are no more of it than callbacks, and one more for each time that nobody could know whether it is there;
/// - no message shares its object with another;
/// - nothing anywhere has other bytes than an authentic callback;
/// - nothing waits for redelivery, and nothing died.
pub fn look(world: &World) {
    let deliveries = std::mem::take(&mut *lock(&world.deliveries));
    let aws = &world.stack.aws;
    let mut authentic = BTreeMap::<&str, BTreeSet<(Kind, &str)>>::new();
    for delivery in &deliveries {
        authentic.entry(&delivery.delivery_id).or_default().insert((delivery.kind, delivery.form.as_str()));
    }
    let objects = aws.objects(PAYLOAD_BUCKET);
    let digests: BTreeMap<_, _> = objects.iter().map(|(key, object)| (key.as_str(), digest(&object.body))).collect();
    for (key, digest) in &digests {
        if !authentic.contains_key(digest.as_str()) {
            world.violation(&format!("the object {key} holds what Flinks never sent"));
        }
        if key.starts_with("undelivered/") {
            world.violation(&format!("{key} still waits"));
        }
    }

    let mut there = BTreeMap::<(Kind, String), u32>::new();
    let mut claimed = BTreeSet::new();
    for kind in Kind::ALL {
        if !aws.messages(&dead_letter_queue(kind)).is_empty() {
            world.violation(&format!("there are dead letters of the {}", kind.queue()));
        }
        for message in aws.messages(kind.queue()) {
            let attribute = |name: &str| message.attributes.get(name).map_or("", |attribute| attribute.value.as_str());
            let payload = match pointer(&message) {
                None => digest(message.body.as_bytes()),
                Some(key) => {
                    let payload = digests.get(key.as_str()).cloned().unwrap_or_default();
                    if !claimed.insert(key.clone()) {
                        world.violation(&format!("two messages share the object {key}"));
                    }
                    payload
                }
            };
            let id = attribute("DeliveryId");
            let form = attribute("SignatureForm");
            if payload != id {
                world.violation(&format!("a message on the {} has another payload than {id}", kind.queue()));
            }
            if !authentic.get(payload.as_str()).is_some_and(|sent| sent.contains(&(kind, form))) {
                world.violation(&format!("{id}, {form}, on the {}, is not what Flinks sent", kind.queue()));
            }
            *there.entry((kind, payload)).or_default() += 1;
        }
    }
    for delivery in deliveries.iter().filter(|delivery| delivery.is_stored) {
        if !there.contains_key(&(delivery.kind, delivery.delivery_id.clone())) {
            let (index, queue) = (delivery.index, delivery.kind.queue());
            world.violation(&format!("callback {index} was answered with 200 and is not on the {queue}"));
        }
    }
    let mut wanted = BTreeMap::<(Kind, &str), u32>::new();
    for delivery in deliveries.iter().filter(|delivery| delivery.is_stored) {
        *wanted.entry((delivery.kind, &delivery.delivery_id)).or_default() += 1;
    }
    let allowed_copies = lock(&world.allowed_copies);
    for ((kind, id), count) in there {
        let wanted = wanted.get(&(kind, id.as_str())).copied().unwrap_or_default();
        let allowed = wanted + allowed_copies.get(&id).copied().unwrap_or_default();
        if count > allowed {
            world.violation(&format!("{id} is {count} times on the {}, and {allowed} are explained", kind.queue()));
        }
        if count > 1 {
            world.count("twice or more on its queue");
        }
        world.note(&format!("{id} {count} times on the {}", kind.queue()));
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
