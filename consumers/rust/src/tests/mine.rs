//! Tests of your own [`process`], to copy and change. They need no server.
//!
//! The names are files in `../fixtures/sqs`.

use super::*;

#[tokio::test]
async fn a_claim_check_that_comes_twice_has_one_effect() {
    let effects = RefCell::new(0);
    let consumer = consumer(Memory::default(), Folder::default(), async |id: &str, event: &Event, body: &[u8]| {
        process(id, event, body).await?;
        *effects.borrow_mut() += 1;
        Ok(())
    });
    for fixture in ["kyc-claim-check", "kyc-claim-check.retry"] {
        let record = with_object(&consumer.payloads, fixture);
        let response = consumer.handle(event(&[record], HALF_A_MINUTE)).await.unwrap();
        assert!(failed(&response).is_empty());
    }
    // In place of the counter, look into your own database.
    assert_eq!(*effects.borrow(), 1);
}

#[tokio::test]
async fn your_process_takes_every_fixture() {
    // If your `process` rejects other types, name the queue that it reads: fixtures("KycQueue").
    for fixture in fixtures("") {
        let consumer = consumer(Memory::default(), Folder::default(), process);
        let record = with_object(&consumer.payloads, &fixture);
        let response = consumer.handle(event(&[record], HALF_A_MINUTE)).await.unwrap();
        assert!(failed(&response).is_empty(), "{fixture}");
    }
}

/// The names of all fixtures, or of those on one queue.
fn fixtures(queue: &str) -> Vec<String> {
    let files = fs::read_dir(format!("{FIXTURES}/sqs")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().to_str().unwrap().replace(".json", ""));
    names.filter(|name| record(name)["eventSourceARN"].as_str().unwrap().ends_with(queue)).collect()
}

/// The record of a fixture. The payload of a claim check is in the folder.
fn with_object(payloads: &Folder, fixture: &str) -> Value {
    let record = record(fixture);
    if let Some(key) = cases::key(&record) {
        payloads.put(&key, fs::read(format!("{FIXTURES}/objects/{BUCKET}/{key}")).unwrap());
    }
    record
}
