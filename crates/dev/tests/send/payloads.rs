//! The generated payloads have only fields that Flinks publishes, and the receiver stores all of them.

use std::{collections::BTreeSet, fs};

use clap::ValueEnum;
use flinks_dev::{
    payload::{Options, PayloadKind, generate, generator},
    sign,
    stack::{PAY_SIGNING_SECRET, SIGNING_SECRET},
};
use flinks_events::{Attributes, Event};
use flinks_webhooks::auth::Scheme;
use serde_json::Value;

use crate::support::Deployed;

fn payload(kind: PayloadKind, size: Option<usize>, seed: u64) -> String {
    generate(kind, &Options { size, ..Options::default() }, &mut generator(seed, 0))
}

fn kinds() -> impl Iterator<Item = PayloadKind> {
    PayloadKind::value_variants().iter().copied()
}

#[tokio::test]
async fn every_payload_is_stored_on_its_queue_byte_for_byte() {
    const SIZES: [Option<usize>; 5] = [None, Some(3_000), Some(50_000), Some(900_000), Some(1_500_000)];
    let deployed = Deployed::start().await;
    for kind in kinds() {
        let mut sent = Vec::new();
        for size in SIZES.into_iter().filter(|size| size.is_none() || kind.grows()) {
            let seeds = if size > Some(50_000) { 0..1 } else { 0..8 };
            for seed in seeds {
                let payload = payload(kind, size, seed);
                let bytes = payload.as_bytes();
                let signature = match kind.scheme() {
                    Scheme::Aggregation => ("flinks-authenticity-key", sign::aggregation(bytes, SIGNING_SECRET)),
                    Scheme::Pay => ("X-Webhook-Signature", sign::pay(bytes, PAY_SIGNING_SECRET)),
                };
                let headers = [("Content-Type", "application/json"), (signature.0, signature.1.as_str())];
                assert_eq!(deployed.receive(&headers, bytes).await, 200, "{kind:?} {size:?} {seed}");
                sent.push(payload);
            }
        }
        assert_eq!(deployed.stored(kind.received_as()), sent, "{kind:?}");
    }
}

#[test]
fn a_payload_is_at_most_one_item_shorter_than_its_size() {
    const MAX_TRANSACTION_BYTES: usize = 230;
    // No other item is longer: an account without transactions, a holder, a document.
    const MAX_ITEM_BYTES: usize = 900;
    for kind in kinds().filter(|kind| kind.grows()) {
        for size in [4_000, 20_000, 300_000, 900_000, 2_000_000] {
            let length = payload(kind, Some(size), size as u64).len();
            let longest = if kind == PayloadKind::AccountsDetail { MAX_TRANSACTION_BYTES } else { MAX_ITEM_BYTES };
            assert!((size - longest..=size).contains(&length), "{kind:?}: {length} for {size}");
        }
    }
}

#[test]
fn a_large_payload_has_several_accounts_with_many_transactions() {
    let payload: Value = serde_json::from_str(&payload(PayloadKind::AccountsDetail, Some(900_000), 1)).unwrap();
    let transactions: Vec<_> = payload["Accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["Transactions"].as_array().unwrap().len())
        .collect();
    assert_eq!(transactions.len(), 4);
    assert!(transactions.iter().all(|count| *count > 1000), "{transactions:?}");
}

#[test]
fn equal_seeds_and_indexes_give_equal_bytes_and_different_ones_differ() {
    for kind in kinds() {
        let generate = |seed, index| generate(kind, &Options::default(), &mut generator(seed, index));
        assert_eq!(generate(7, 3), generate(7, 3));
        assert_ne!(generate(7, 3), generate(8, 3));
        assert_ne!(generate(7, 3), generate(7, 4));
    }
}

#[test]
fn a_payload_has_the_given_tag_and_login_id() {
    let options = Options { tag: Some("tag \"é\" 🦊".to_owned()), login_id: Some("login".to_owned()), size: None };
    for kind in kinds().filter(|kind| kind.names_a_login()) {
        let payload: Value = serde_json::from_str(&generate(kind, &options, &mut generator(1, 0))).unwrap();
        let login_id = if kind == PayloadKind::UploadFraud { "LoginId" } else { "Id" };
        assert_eq!((&payload["Tag"], &payload["Login"][login_id]), (&"tag \"é\" 🦊".into(), &"login".into()));
    }
}

#[test]
fn the_payloads_have_exactly_the_published_fields() {
    const PUBLISHED: &str = "ResponseType HttpStatusCode Holders Name Address CivicAddress City Province PostalCode POBox \
        Country Email PhoneNumber Tag Login Username IsScheduledRefresh LastRefresh Type Id InstitutionId Institution \
        RequestId Accounts Transactions Date Code Description Debit Credit Balance TransitNumber InstitutionNumber \
        OverdraftLimit Title AccountNumber LastFourDigits Available Current Limit Category Currency Holder AccountType \
        EftEligibleRatio ETransferEligibleRatio sessionId referenceId amount status statusDetails when Message LoginId \
        DocumentAnalysis Status FullAnalysis DocumentType FraudSignals PageNumber Count";
    fn collect(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    names.insert(name.clone());
                    collect(value, names);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    for (kind, seed) in kinds().flat_map(|kind| (0..50).map(move |seed| (kind, seed))) {
        collect(&serde_json::from_str(&payload(kind, None, seed)).unwrap(), &mut names);
    }
    let published: BTreeSet<_> = PUBLISHED.split_whitespace().map(str::to_owned).collect();
    assert_eq!(names, published);
}

/// A schema of consumers, with no further properties anywhere.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            members.values_mut().for_each(|member| *member = closed(member.take()));
            if members.contains_key("properties") && members["type"] == "object" {
                members.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| *element = closed(element.take())),
        _ => {}
    }
    schema
}

#[test]
fn consumers_have_a_type_for_every_payload_and_lose_no_field_of_it() {
    for kind in kinds() {
        let (name, file) = match kind {
            PayloadKind::Kyc => ("Kyc", "kyc"),
            PayloadKind::AccountsDetail => ("AccountsDetail", "accounts-detail"),
            PayloadKind::Investments => ("Investments", "investments"),
            PayloadKind::Pay => ("EftSessionStatus", "eft-session-status"),
            PayloadKind::UploadFraud => ("FraudAlert", "fraud-alert"),
            PayloadKind::Unknown => ("Unknown", ""),
        };
        let form = if kind.scheme() == Scheme::Pay { "pay" } else { "raw" };
        let schema = fs::read(format!("{}/../events/schemas/{file}.json", env!("CARGO_MANIFEST_DIR")));
        let schema = schema.map(|schema| closed(serde_json::from_slice(&schema).unwrap())).unwrap_or(true.into());
        let schema = jsonschema::draft202012::new(&schema).unwrap();
        for seed in 0..100 {
            let payload = payload(kind, None, seed);
            let event = Event::read(payload.as_bytes(), Attributes::from_iter([("SignatureForm", form)]));
            assert_eq!((event.payload.name(), event.lost.paths()), (name, [].as_slice()), "{kind:?} {seed}");
            let payload = serde_json::from_str(&payload).unwrap();
            schema.validate(&payload).unwrap_or_else(|error| panic!("{kind:?} {seed}: {error}"));
        }
    }
}

#[test]
fn people_have_reserved_contact_data_and_names_with_accents_and_emoji() {
    let mut names = String::new();
    for seed in 0..100 {
        let payload: Value = serde_json::from_str(&payload(PayloadKind::Kyc, None, seed)).unwrap();
        for holder in payload["Holders"].as_array().unwrap() {
            assert!(holder["Email"].as_str().unwrap().ends_with("@example.com"));
            assert_eq!(&holder["PhoneNumber"].as_str().unwrap()[3..8], "55501");
            names += holder["Name"].as_str().unwrap();
        }
    }
    assert!(["é", "ł", "🦊", "美"].iter().all(|part| names.contains(part)), "{names}");
}

#[test]
fn each_balance_includes_the_transaction() {
    let payload: Value = serde_json::from_str(&payload(PayloadKind::AccountsDetail, Some(20_000), 5)).unwrap();
    let account = &payload["Accounts"][0];
    let cents = |value: &Value| (value.as_f64().unwrap_or_default() * 100.0).round();
    let mut balance = cents(&account["Balance"]["Current"]);
    for transaction in account["Transactions"].as_array().unwrap() {
        assert_eq!(cents(&transaction["Balance"]), balance);
        balance += cents(&transaction["Debit"]) - cents(&transaction["Credit"]);
    }
}
