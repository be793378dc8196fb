//! Who forges: bodies that Flinks never sent, with everything in the headers that could be mistaken for its signature.

use std::{sync::Arc, time::Duration};

use flinks_dev::{
    payload::{Options, PayloadKind, generate, generator},
    sign,
};
use flinks_webhooks::{
    auth::{Scheme, SignatureForm},
    http::Response,
};
use rand::{RngExt, seq::IndexedRandom};
use sha2::{Digest, Sha256};

use super::{
    MINUTE, RESPONSE, SENDING,
    fleet::{Outcome, invoke},
    flinks::{Delivery, crash, posted},
    keys,
    world::{World, lock},
};

/// The streams of the forgeries' payloads, apart from those of the callbacks.
const STREAMS: u64 = 1 << 40;

/// Of all forgeries. They use up the reads of newer keys just before and while those are needed.
const DURING_A_ROTATION: f64 = 0.1;

/// Of all forgeries, if the old key is revoked: signed with that.
const WITH_A_REVOKED_KEY: f64 = 0.05;

/// Sends one forgery, some time.
pub async fn send(world: Arc<World>, index: u64) {
    let rng = &mut generator(world.seed, STREAMS + index);
    let (kind, header) = *[(PayloadKind::Kyc, "flinks-authenticity-key"), (PayloadKind::Pay, "X-Webhook-Signature")]
        .choose(rng)
        .unwrap();
    let scheme = kind.scheme();
    let revoked = world.rotations.of(scheme).revoked().filter(|_| rng.random_bool(WITH_A_REVOKED_KEY));
    let at = if let Some(revoked) = revoked {
        revoked + rng.random_range(Duration::ZERO..30 * MINUTE)
    } else if rng.random_bool(DURING_A_ROTATION) {
        world.rotations.of(scheme).stored - MINUTE / 2 + rng.random_range(Duration::ZERO..3 * MINUTE)
    } else {
        rng.random_range(Duration::ZERO..SENDING)
    };
    world.sleep_until(at).await;
    let body = generate(kind, &Options::default(), rng).into_bytes();
    let sign = |body: &[u8], secret: &str| match scheme {
        Scheme::Aggregation => sign::aggregation(body, secret),
        Scheme::Pay => sign::pay(body, secret),
    };
    let current = |scheme| {
        let is_new = world.now() >= world.rotations.of(scheme).stored;
        if is_new { keys::new(scheme) } else { keys::old(scheme) }
    };
    let other = match scheme {
        Scheme::Aggregation => Scheme::Pay,
        Scheme::Pay => Scheme::Aggregation,
    };
    let is_revoked = world.rotations.of(scheme).is_revoked(world.now());
    let (sort, signatures) = match rng.random_range(0..7) {
        _ if revoked.is_some() && is_revoked => ("revoked key", vec![sign(&body, keys::old(scheme))]),
        0 => ("wrong key", vec![sign(&body, "guessed")]),
        1 if world.now() > world.rotations.of(scheme).over() => {
            ("key beyond its days", vec![sign(&body, keys::old(scheme))])
        }
        2 => ("another scheme's key", vec![sign(&body, current(other))]),
        3 => ("no signature", vec![]),
        4 => ("malformed signature", vec![sign(&body, current(scheme))[1..].to_owned()]),
        5 => ("two signatures", vec![sign(&body, current(scheme)), sign(&body, "guessed")]),
        _ => {
            // Signed by Flinks, and then changed.
            let mut sent = body.clone();
            let place = rng.random_range(0..sent.len());
            sent[place] ^= 1;
            ("tampered body", vec![sign(&sent, current(scheme))])
        }
    };
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(signatures.iter().map(|signature| (header, signature.as_str())));
    let invocation = invoke(&world, &posted(&headers, &body), crash(&world)).await;
    world.count(format!("forgery: {sort}"));
    if invocation.ended - invocation.received > RESPONSE {
        world.violation(&format!("the response to forgery {index} came too late"));
    }
    // Whoever has a revoked key writes like Flinks, until the instance reads the keys again.
    let gets_in = sort == "revoked key" && invocation.line.knows(scheme, keys::old(scheme));
    if gets_in {
        let is_stored = matches!(invocation.outcome, Outcome::Answered(Response::Stored, _));
        let (delivery_id, form) = (hex::encode(Sha256::digest(&body)), form(scheme));
        lock(&world.deliveries).push(Delivery { index, delivery_id, kind: kind.received_as(), form, is_stored });
        world.count("forgery: revoked key, not read since");
    }
    let told = match invocation.outcome {
        Outcome::Answered(Response::Stored, _) if gets_in => "200",
        Outcome::Answered(Response::Stored, _) => {
            world.violation(&format!("forgery {index} got in: {sort}"));
            "200"
        }
        Outcome::Answered(Response::Unauthorized, _) => "401",
        Outcome::Answered(Response::Unavailable, _) => {
            // It must not fire an alarm: only while a key is missing that could have signed it.
            let known = &invocation.known[scheme as usize];
            if !gets_in && known.has_current() && !known.lacks_a_stage() {
                world.violation(&format!("forgery {index}, {sort}, is told to come again, and no key is missing"));
            }
            "503"
        }
        Outcome::Crashed => "crash",
        Outcome::Answered(Response::BadRequest | Response::Forbidden, _) | Outcome::TimedOut => {
            world.violation(&format!("forgery {index}, {sort}, is neither refused nor told to come again"));
            "neither"
        }
    };
    world.note(&format!("forgery {index} {sort}: {told}"));
    world.count(format!("forgery answered: {told}"));
}

/// What a callback of this scheme is verified by.
fn form(scheme: Scheme) -> SignatureForm {
    match scheme {
        Scheme::Aggregation => SignatureForm::Raw,
        Scheme::Pay => SignatureForm::Pay,
    }
}
