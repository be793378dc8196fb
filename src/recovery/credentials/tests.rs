use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::time::advance;

use super::*;
use crate::aws_error::{AwsError, Reason};

const KEYS: &str = r#"{"secretKey":"fake-secret-key","apiKey":"fake-api-key"}"#;

/// A secret that is read as told. The last one stays.
struct Fake {
    versions: Mutex<VecDeque<Option<(&'static str, &'static str)>>>,
    /// How many of the next reads fail.
    failing: AtomicUsize,
    reads: AtomicUsize,
}

impl CredentialsSource for &Fake {
    async fn fetch(&self) -> Result<Option<SecretVersion>, AwsError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.failing.load(Ordering::Relaxed) > 0 {
            self.failing.fetch_sub(1, Ordering::Relaxed);
            return Err(AwsError {
                status: Some(400),
                code: Some("AccessDeniedException".to_owned()),
                ..AwsError::new(Operation::GetSecretValue, Reason::Service)
            });
        }
        let mut versions = self.versions.lock().unwrap();
        let version = if versions.len() > 1 { versions.pop_front().unwrap() } else { versions[0] };
        Ok(version.map(|(id, text)| SecretVersion {
            id: id.to_owned(),
            created: None,
            text: Some(Zeroizing::new(text.to_owned())),
        }))
    }
}

fn fake(versions: impl IntoIterator<Item = Option<(&'static str, &'static str)>>) -> Fake {
    let versions = Mutex::new(versions.into_iter().collect());
    Fake { versions, failing: AtomicUsize::new(0), reads: AtomicUsize::new(0) }
}

fn clients(fake: &Fake) -> Clients<&Fake> {
    let config = FlinksConfig {
        api_url: "http://127.0.0.1:1".to_owned(),
        customer_id: "customer".to_owned(),
        secret_id: "secret".to_owned(),
        secrets_endpoint: None,
    };
    Clients::new(config, fake)
}

async fn client(clients: &Clients<&Fake>) -> Result<Client, NoClient> {
    clients.client(Instant::now() + BUDGET, &mut FailedCalls::default()).await
}

async fn after_denial(clients: &Clients<&Fake>, used: &Client) -> Option<Client> {
    clients.after_denial(used, Instant::now() + BUDGET, &mut FailedCalls::default()).await
}

fn reads(fake: &Fake) -> usize {
    fake.reads.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn credentials_are_read_every_five_minutes_and_serve_while_that_fails() {
    let fake = fake([Some(("1", KEYS)), Some(("2", KEYS))]);
    let clients = clients(&fake);
    assert_eq!(client(&clients).await.unwrap().version, "1");
    advance(MAX_AGE - Duration::from_secs(1)).await;
    assert_eq!(client(&clients).await.unwrap().version, "1");
    assert_eq!(reads(&fake), 1);
    advance(Duration::from_secs(1)).await;
    fake.failing.store(1, Ordering::Relaxed);
    assert_eq!(client(&clients).await.unwrap().version, "1");
    advance(READ_INTERVAL - Duration::from_secs(1)).await;
    assert_eq!(client(&clients).await.unwrap().version, "1");
    assert_eq!(reads(&fake), 2);
    advance(Duration::from_secs(1)).await;
    assert_eq!(client(&clients).await.unwrap().version, "2");
    assert_eq!(reads(&fake), 3);
}

#[tokio::test(start_paused = true)]
async fn a_denial_reads_the_credentials_at_most_every_thirty_seconds() {
    let fake = fake([Some(("1", KEYS)), Some(("1", KEYS)), Some(("2", KEYS)), Some(("2", KEYS))]);
    let clients = clients(&fake);
    // Read for this call: there are no newer ones.
    let used = client(&clients).await.unwrap();
    assert!(after_denial(&clients, &used).await.is_none());
    assert_eq!(reads(&fake), 1);
    // From the cache, and still the current ones.
    let used = client(&clients).await.unwrap();
    assert!(after_denial(&clients, &used).await.is_none());
    assert_eq!(reads(&fake), 2);
    // Too soon for another read.
    let used = client(&clients).await.unwrap();
    assert!(after_denial(&clients, &used).await.is_none());
    assert_eq!(reads(&fake), 2);
    // They were rotated.
    advance(READ_INTERVAL).await;
    let newer = after_denial(&clients, &used).await.unwrap();
    assert_eq!((newer.version.as_str(), reads(&fake)), ("2", 3));
    // A failed read says nothing, and does not count.
    advance(READ_INTERVAL).await;
    fake.failing.store(1, Ordering::Relaxed);
    let used = client(&clients).await.unwrap();
    assert!(after_denial(&clients, &used).await.is_none());
    assert_eq!(reads(&fake), 4);
    assert!(after_denial(&clients, &used).await.is_none());
    assert_eq!(reads(&fake), 5);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_gone_or_unusable_gives_no_client_and_is_not_shown() {
    for text in [
        "fake-secret-key",
        "",
        "[]",
        r#""fake""#,
        r#"{"secretKey":"fake-secret-key"}"#,
        r#"{"apiKey":"k","secretKey":5}"#,
        r#"{"secretKey":" ","apiKey":"fake-api-key"}"#,
        r#"{"secretKey":"fake","apiKey":"fake api key"}"#,
    ] {
        let fake = fake([Some(("1", text))]);
        let NoClient(why) = client(&clients(&fake)).await.err().unwrap();
        assert!(!why.contains("fake"), "{why}");
    }
    let fake = fake([Some(("1", KEYS)), None, Some(("2", KEYS))]);
    let clients = clients(&fake);
    assert!(client(&clients).await.is_ok());
    advance(MAX_AGE).await;
    assert!(client(&clients).await.is_err(), "what Secrets Manager says is believed");
    assert!(client(&clients).await.is_ok(), "the next message reads it again");
}

#[tokio::test(start_paused = true)]
async fn white_space_a_byte_order_mark_and_further_members_do_not_matter() {
    let text = "\u{FEFF}\n{ \"apiKey\" : \" fake-api-key\\n\", \"note\": 1, \"secretKey\": \"\\tfake-secret-key \" }\n";
    let fake = fake([Some(("1", text))]);
    assert!(client(&clients(&fake)).await.is_ok());
    assert_eq!(format!("{:?}", client(&clients(&fake)).await.unwrap().api), "FlinksApi(127.0.0.1:1)");
}
