//! A forger: sends bodies that Flinks never sent, with headers that could be mistaken for Flinks' signature.

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
    state::{Simulation, lock},
};

/// The generator streams of the forgeries start here, apart from those of the callbacks.
const STREAMS: u64 = 1 << 40;

/// The share of forgeries around a rotation. They use up the reads for a mismatch just when those are needed.
const DURING_A_ROTATION: f64 = 0.1;

/// The share of forgeries that are signed with the revoked key, if the customer revokes it.
const WITH_A_REVOKED_KEY: f64 = 0.05;

/// Sends one forgery at a random time.
pub async fn send(simulation: Arc<Simulation>, index: u64) {
    let rng = &mut generator(simulation.seed, STREAMS + index);
    let (kind, header) = *[(PayloadKind::Kyc, "flinks-authenticity-key"), (PayloadKind::Pay, "X-Webhook-Signature")]
        .choose(rng)
        .unwrap();
    let scheme = kind.scheme();
    let revoked = simulation.rotations.for_scheme(scheme).revoked().filter(|_| rng.random_bool(WITH_A_REVOKED_KEY));
    let at = if let Some(revoked) = revoked {
        revoked + rng.random_range(Duration::ZERO..30 * MINUTE)
    } else if rng.random_bool(DURING_A_ROTATION) {
        simulation.rotations.for_scheme(scheme).stored - MINUTE / 2 + rng.random_range(Duration::ZERO..3 * MINUTE)
    } else {
        rng.random_range(Duration::ZERO..SENDING)
    };
    simulation.sleep_until(at).await;
    let body = generate(kind, &Options::default(), rng).into_bytes();
    let sign = |body: &[u8], secret: &str| match scheme {
        Scheme::Aggregation => sign::aggregation(body, secret),
        Scheme::Pay => sign::pay(body, secret),
    };
    let current = |scheme| {
        let is_new = simulation.now() >= simulation.rotations.for_scheme(scheme).stored;
        if is_new { keys::new(scheme) } else { keys::old(scheme) }
    };
    let other = match scheme {
        Scheme::Aggregation => Scheme::Pay,
        Scheme::Pay => Scheme::Aggregation,
    };
    let is_revoked = simulation.rotations.for_scheme(scheme).is_revoked(simulation.now());
    let (sort, signatures) = match rng.random_range(0..7) {
        _ if revoked.is_some() && is_revoked => ("revoked key", vec![sign(&body, keys::old(scheme))]),
        0 => ("wrong key", vec![sign(&body, "guessed")]),
        1 if simulation.now() > simulation.rotations.for_scheme(scheme).old_key_expires() => {
            ("expired key", vec![sign(&body, keys::old(scheme))])
        }
        2 => ("another scheme's key", vec![sign(&body, current(other))]),
        3 => ("no signature", vec![]),
        4 => ("malformed signature", vec![sign(&body, current(scheme))[1..].to_owned()]),
        5 => ("two signatures", vec![sign(&body, current(scheme)), sign(&body, "guessed")]),
        _ => {
            // Flinks signed it, and the forger changed it.
            let mut sent = body.clone();
            let place = rng.random_range(0..sent.len());
            sent[place] ^= 1;
            ("tampered body", vec![sign(&sent, current(scheme))])
        }
    };
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(signatures.iter().map(|signature| (header, signature.as_str())));
    let invocation = invoke(&simulation, &posted(&headers, &body), crash(&simulation)).await;
    simulation.count(format!("forgery: {sort}"));
    if invocation.ended - invocation.received > RESPONSE {
        simulation.violation(&format!("the response to forgery {index} came too late"));
    }
    // A forger with the revoked key can write like Flinks until the instance reads the keys again.
    let gets_in = sort == "revoked key" && invocation.connection.knows(scheme, keys::old(scheme));
    if gets_in {
        let is_stored = matches!(invocation.outcome, Outcome::Responded(Response::Stored, _));
        let (delivery_id, form) = (hex::encode(Sha256::digest(&body)), form(scheme));
        lock(&simulation.deliveries).push(Delivery { index, delivery_id, kind: kind.received_as(), form, is_stored });
        simulation.count("forgery: revoked key, not read since");
    }
    let response = match invocation.outcome {
        Outcome::Responded(Response::Stored, _) if gets_in => "200",
        Outcome::Responded(Response::Stored, _) => {
            simulation.violation(&format!("forgery {index} got in: {sort}"));
            "200"
        }
        Outcome::Responded(Response::Unauthorized, _) => "401",
        Outcome::Responded(Response::Unavailable, _) => {
            // A 503 counts towards an alarm. It is right only while a key is missing that could have signed the body.
            let known = &invocation.known[scheme as usize];
            if !gets_in && known.has_current() && !known.lacks_a_stage() {
                simulation.violation(&format!("forgery {index}, {sort}, got 503, and no key is missing"));
            }
            "503"
        }
        Outcome::Crashed => "crash",
        Outcome::Responded(Response::BadRequest | Response::Forbidden, _) | Outcome::TimedOut => {
            simulation.violation(&format!("forgery {index}, {sort}, got neither 401 nor 503"));
            "other"
        }
    };
    simulation.note(&format!("forgery {index} {sort}: {response}"));
    simulation.count(format!("forgery got: {response}"));
}

/// The signature form of a callback of this scheme.
fn form(scheme: Scheme) -> SignatureForm {
    match scheme {
        Scheme::Aggregation => SignatureForm::Raw,
        Scheme::Pay => SignatureForm::Pay,
    }
}
