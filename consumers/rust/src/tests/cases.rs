//! Runs `../cases.json`, the cases that the consumers of all languages share. `../README.md` describes the format.

use std::collections::BTreeMap;

use aws_lambda_events::encodings::Base64Data;
use flinks_events::{Payload, number::Number, payload::Account};

use super::*;

/// The stores of a case, with a way to put and delete objects.
pub trait Stores {
    type Deliveries: Deliveries;
    type Payloads: Payloads;
    /// Puts an object into the consumer's bucket and into the foreign one.
    async fn put(&self, key: &str, payload: &[u8]);
    async fn delete(&self, key: &str);
    fn into_consumers(self) -> (Self::Deliveries, Self::Payloads);
    fn stores_of(deliveries: Self::Deliveries, payloads: Self::Payloads) -> Self;
}

/// A crash with at most this time left is one whose lease the driver lets end.
const SHORT_LEASE: Duration = Duration::from_secs(1);

/// `stores` makes the empty stores of a case.
pub async fn run_all<S: Stores>(stores: impl AsyncFn(usize) -> S) {
    let table: Value = serde_json::from_str(&fs::read_to_string(format!("{FIXTURES}/../cases.json")).unwrap()).unwrap();
    assert_eq!(table["bucket"], BUCKET);
    let cases = table["cases"].as_array().unwrap();
    assert!(cases.len() > 20, "the table is gone");
    for (number, case) in cases.iter().enumerate() {
        println!("case: {}", case["name"]);
        let mut stores = stores(number).await;
        for batch in case["batches"].as_array().unwrap() {
            stores = run(stores, batch).await;
        }
    }
}

async fn run<S: Stores>(stores: S, batch: &Value) -> S {
    let (stores, records) = prepared(stores, batch).await;
    let ids = |member: &str| labels(batch, member).map(|label| delivery_id(&records[label])).collect();
    let effects = Effects { fails: ids("effectFails"), crashes: ids("crashes"), ..Effects::default() };
    let (deliveries, payloads) = stores.into_consumers();
    let consumer = consumer(deliveries, payloads, async |id: &str, event: &Event, body: &[u8]| {
        effects.process(id, event, body).await
    });
    let left = Duration::from_millis(batch.get("remainingMs").map_or(30_000, |left| left.as_u64().unwrap()));
    let event = match batch.get("event") {
        Some(event) => event.clone(),
        None => json!({ "Records": in_order(batch).map(|label| records[label].clone()).collect::<Vec<_>>() }),
    };
    let handled = tokio::select! {
        biased;
        () = effects.crashed.notified() => None,
        handled = consumer.handle(invocation(event, left)) => Some(handled),
    };
    match handled {
        None if left <= SHORT_LEASE => tokio::time::sleep(2 * left).await,
        None => {}
        Some(Err(_)) => assert_eq!((&batch["error"], effects.seen.borrow().len()), (&json!(true), 0)),
        Some(Ok(response)) => {
            assert!(batch.get("error").is_none() && batch.get("crashes").is_none(), "it must not respond");
            let mut expected: Vec<_> = labels(batch, "failed").map(|label| message_id(&records[label])).collect();
            let mut failed = failed(&response);
            expected.sort();
            failed.sort();
            assert_eq!(failed, expected);
            check_processed(batch, &records, &effects.seen.borrow());
        }
    }
    S::stores_of(consumer.deliveries, consumer.payloads)
}

fn check_processed(batch: &Value, records: &BTreeMap<&str, Value>, seen: &[Seen]) {
    let processed = batch["processed"].as_array().unwrap();
    assert_eq!(seen.len(), processed.len());
    for (seen, expected) in seen.iter().zip(processed) {
        assert_eq!(seen.delivery_id, delivery_id(&records[expected["record"].as_str().unwrap()]));
        assert_eq!(hex::encode(Sha256::digest(&seen.body)), seen.delivery_id);
        assert_eq!(seen.event.payload.name(), expected["type"]);
        for (pointer, text) in expected.get("values").and_then(Value::as_object).into_iter().flatten() {
            check_value(&seen.event.payload, pointer, text.as_str());
        }
    }
}

/// The records by their labels, with their objects where they belong.
async fn prepared<S: Stores>(stores: S, batch: &Value) -> (S, BTreeMap<&str, Value>) {
    let mut records = BTreeMap::new();
    for wanted in batch.get("records").and_then(Value::as_array).into_iter().flatten() {
        let mut record = record(wanted.as_str().or(wanted["fixture"].as_str()).unwrap());
        let mut payload = key(&record).map(|key| fs::read(format!("{FIXTURES}/objects/{BUCKET}/{key}")).unwrap());
        if let Some(wanted) = wanted.get("payload") {
            let made = made(wanted);
            let attributes = &mut record["messageAttributes"];
            attributes["DeliveryId"]["stringValue"] = wanted["sha256"].clone();
            attributes["ExtendedPayloadSize"]["stringValue"] = made.len().to_string().into();
            payload = Some(made);
        }
        if let Some(payload) = payload {
            stores.put(&key(&record).unwrap(), &payload).await;
        }
        merge(&mut record, wanted.get("patch"));
        records.insert(label(wanted), record);
    }
    for label in labels(batch, "objectsGone") {
        stores.delete(&key(&records[label]).unwrap()).await;
    }
    (stores, records)
}

fn label(wanted: &Value) -> &str {
    wanted.as_str().or(wanted["as"].as_str()).or(wanted["fixture"].as_str()).unwrap()
}

fn in_order(batch: &Value) -> impl Iterator<Item = &str> {
    batch["records"].as_array().unwrap().iter().map(label)
}

fn labels<'a>(batch: &'a Value, member: &str) -> impl Iterator<Item = &'a str> {
    batch.get(member).and_then(Value::as_array).into_iter().flatten().map(|label| label.as_str().unwrap())
}

/// The key of the object that a claim check points to.
pub fn key(record: &Value) -> Option<String> {
    record["messageAttributes"].get("ExtendedPayloadSize")?;
    let pointer: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
    Some(pointer[1]["s3Key"].as_str().unwrap().to_owned())
}

fn made(wanted: &Value) -> Vec<u8> {
    let payload = match wanted.get("base64") {
        Some(base64) => serde_json::from_value::<Base64Data>(base64.clone()).unwrap().0,
        None => {
            let part = |name: &str| wanted[name].as_str().unwrap();
            let around = part("prefix").len() + part("suffix").len();
            let fill = (usize::try_from(wanted["bytes"].as_u64().unwrap()).unwrap() - around) / part("fill").len();
            [part("prefix"), &part("fill").repeat(fill), part("suffix")].concat().into_bytes()
        }
    };
    assert_eq!(hex::encode(Sha256::digest(&payload)), wanted["sha256"]);
    payload
}

/// JSON Merge Patch, RFC 7396.
fn merge(value: &mut Value, patch: Option<&Value>) {
    for (name, change) in patch.and_then(Value::as_object).into_iter().flatten() {
        if change.is_null() {
            value.as_object_mut().unwrap().remove(name);
        } else if change.is_object() {
            merge(&mut value[name], Some(change));
        } else {
            value[name] = change.clone();
        }
    }
}

/// Holds a value of the typed payload against a text; a number against its exact value.
fn check_value(payload: &Payload, pointer: &str, expected: Option<&str>) {
    let is_number = |number: &Option<Number>| match (number, expected) {
        (Some(number), Some(expected)) => {
            let exact = number.decimal();
            number.as_str() == expected || exact.is_some() && exact == expected.parse().ok()
        }
        (number, expected) => number.is_none() && expected.is_none(),
    };
    let account = |payload: &Payload| -> Account {
        let Payload::AccountsDetail(payload) = payload else { panic!("{pointer}: {}", payload.name()) };
        payload.accounts.as_ref().unwrap()[0].clone()
    };
    let balance = || account(payload).balance.unwrap();
    let transaction = |number: usize| account(payload).transactions.unwrap()[number].clone();
    let holds = match (pointer, payload) {
        ("/HttpStatusCode", Payload::Kyc(kyc)) => {
            kyc.http_status_code.map(|code| code.to_string()).as_deref() == expected
        }
        ("/HttpStatusCode", Payload::AccountsDetail(detail)) => {
            detail.http_status_code.map(|code| code.to_string()).as_deref() == expected
        }
        ("/Holders/0/Name", Payload::Kyc(kyc)) => kyc.holders.as_ref().unwrap()[0].name.as_deref() == expected,
        ("/Tag", Payload::Kyc(kyc)) => kyc.tag.as_deref() == expected,
        ("/Login/Id", Payload::AccountsDetail(detail)) => detail.login.as_ref().unwrap().id.as_deref() == expected,
        ("/amount", Payload::EftSessionStatus(session)) => is_number(&session.amount),
        ("/DocumentAnalysis/0/Status", Payload::FraudAlert(alert)) => {
            alert.document_analysis.as_ref().unwrap()[0].status.as_deref() == expected
        }
        ("/Accounts/0/Balance/Available", _) => is_number(&balance().available),
        ("/Accounts/0/Balance/Current", _) => is_number(&balance().current),
        ("/Accounts/0/Balance/Limit", _) => is_number(&balance().limit),
        ("/Accounts/0/Transactions/0/Balance", _) => is_number(&transaction(0).balance),
        ("/Accounts/0/Transactions/0/Credit", _) => is_number(&transaction(0).credit),
        ("/Accounts/0/Transactions/1/Debit", _) => is_number(&transaction(1).debit),
        ("/Accounts/0/Transactions/0/Description", _) => transaction(0).description.as_deref() == expected,
        _ => panic!("name the field {pointer} of {} here", payload.name()),
    };
    assert!(holds, "{pointer} is not {expected:?}");
}

impl Stores for (Memory, Folder) {
    type Deliveries = Memory;
    type Payloads = Folder;

    async fn put(&self, key: &str, payload: &[u8]) {
        self.1.put(key, payload.to_vec());
    }

    async fn delete(&self, key: &str) {
        self.1.delete(key);
    }

    fn into_consumers(self) -> (Memory, Folder) {
        self
    }

    fn stores_of(deliveries: Memory, payloads: Folder) -> Self {
        (deliveries, payloads)
    }
}

#[tokio::test]
async fn every_case_in_memory() {
    run_all(async |_| (Memory::default(), Folder::default())).await;
}
