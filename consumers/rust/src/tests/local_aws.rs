//! The table of deliveries and the bucket, against a local DynamoDB and a local S3: moto, which each test starts.
//! `MOTO_SERVER` is the path of moto_server, if it is not in the `PATH`.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

use aws_config::Region;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_s3::config::Credentials;

use super::{cases::Stores, *};

/// An S3 and a DynamoDB on a free port of this machine. They end with the test.
struct Moto {
    server: Child,
    endpoint: String,
}

impl Moto {
    /// Moto chooses the port and says which, so no other server can be in its place.
    fn start() -> Self {
        let program = env::var("MOTO_SERVER").unwrap_or_else(|_| "moto_server".to_owned());
        let mut command = Command::new(&program);
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let server = command.spawn();
        let mut server = server.unwrap_or_else(|error| panic!("set MOTO_SERVER to the path of moto_server: {error}"));
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok);
        let endpoint = lines.find_map(|line| Some(line.split_once("Running on ")?.1.trim().to_owned()));
        let endpoint = endpoint.unwrap_or_else(|| panic!("{program} ended before it listened"));
        // It logs each request, and would wait if nobody read.
        thread::spawn(move || lines.for_each(drop));
        Self { server, endpoint }
    }

    /// Made up: the tests never use an account or an endpoint that this machine happens to know.
    async fn config(&self) -> SdkConfig {
        let loader = config_loader().endpoint_url(&self.endpoint).region(Region::new("ca-central-1"));
        loader.credentials_provider(Credentials::new("fake", "fake", None, None, "test")).load().await
    }

    /// An empty table.
    async fn table(&self, name: &str) -> Table {
        let client = aws_sdk_dynamodb::Client::new(&self.config().await);
        let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
        let created = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        let created = created.attribute_definitions(id.build().unwrap()).key_schema(key.build().unwrap());
        created.send().await.unwrap();
        Table { client, name: name.to_owned(), consumer: "a team".to_owned() }
    }

    /// A client, with the two buckets there.
    async fn s3(&self) -> aws_sdk_s3::Client {
        use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
        // Another S3 in place of moto's, such as that of `cargo dev up`.
        let endpoint = env::var("S3_ENDPOINT").unwrap_or_else(|_| self.endpoint.clone());
        let s3 = s3(&self.config().await.into_builder().endpoint_url(endpoint).build());
        for bucket in [BUCKET, FOREIGN_BUCKET] {
            let here = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::CaCentral1);
            let created = s3.create_bucket().bucket(bucket).create_bucket_configuration(here.build());
            // Another S3 may have it already.
            if let Err(error) = created.send().await {
                assert!(error.as_service_error().is_some_and(|error| error.is_bucket_already_owned_by_you()));
            }
        }
        s3
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

async fn item(table: &Table, delivery_id: &str) -> std::collections::HashMap<String, AttributeValue> {
    let item = table.client.get_item().table_name(&table.name).key("id", table.id(delivery_id)).consistent_read(true);
    item.send().await.unwrap().item.unwrap_or_default()
}

impl Stores for (Table, aws_sdk_s3::Client) {
    type Deliveries = Table;
    type Payloads = aws_sdk_s3::Client;

    async fn put(&self, key: &str, payload: &[u8]) {
        for bucket in [BUCKET, FOREIGN_BUCKET] {
            self.1.put_object().bucket(bucket).key(key).body(payload.to_vec().into()).send().await.unwrap();
        }
    }

    async fn delete(&self, key: &str) {
        self.1.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    }

    fn into_consumers(self) -> (Table, aws_sdk_s3::Client) {
        self
    }

    fn stores_of(deliveries: Table, payloads: aws_sdk_s3::Client) -> Self {
        (deliveries, payloads)
    }
}

const FOREIGN_BUCKET: &str = "someone-elses-bucket";

#[tokio::test]
#[ignore = "needs moto_server"]
async fn every_case_with_s3_and_dynamodb() {
    let moto = Moto::start();
    let s3 = moto.s3().await;
    cases::run_all(async |case| (moto.table(&format!("case-{case}")).await, s3.clone())).await;
}

#[tokio::test]
#[ignore = "needs moto_server"]
async fn a_delivery_is_claimed_once_until_its_lease_is_over_or_it_is_given_back_and_never_once_it_is_done() {
    let moto = Moto::start();
    let table = moto.table("claims").await;
    let from = SystemTime::now();
    let lease = |owner| Lease { owner, from, until: from + HALF_A_MINUTE };
    let later = |owner| Lease { owner, from: from + 2 * HALF_A_MINUTE, until: from + 3 * HALF_A_MINUTE };
    assert_eq!(table.claim("id", &lease("first")).await.unwrap(), Claim::Ours);
    assert_eq!(table.claim("id", &lease("second")).await.unwrap(), Claim::InProgress);
    assert_eq!(table.claim("id", &lease("first")).await.unwrap(), Claim::Ours, "its response was lost");
    assert_eq!(table.claim("another", &lease("second")).await.unwrap(), Claim::Ours);

    assert_eq!(table.claim("id", &later("second")).await.unwrap(), Claim::Ours, "the lease is over");
    let foreign = table.release("id", &lease("first")).await.unwrap_err();
    assert_eq!(foreign.code.as_deref(), Some("ConditionalCheckFailedException"));
    assert_eq!(table.claim("id", &lease("third")).await.unwrap(), Claim::InProgress, "another's claim stays");
    table.release("id", &later("second")).await.unwrap();
    assert_eq!(table.claim("id", &lease("third")).await.unwrap(), Claim::Ours, "given back");

    table.finish("id").await.unwrap();
    assert_eq!(table.claim("id", &lease("fourth")).await.unwrap(), Claim::Done);
    assert_eq!(table.claim("id", &later("fourth")).await.unwrap(), Claim::Done, "there is no lease on it");
    assert!(table.release("id", &lease("third")).await.is_err());
    assert_eq!(table.claim("id", &lease("fourth")).await.unwrap(), Claim::Done, "nobody takes it back");
}

#[tokio::test]
#[ignore = "needs moto_server"]
async fn a_finished_delivery_is_remembered_for_35_days_by_its_consumer() {
    let moto = Moto::start();
    let first = moto.table("memory").await;
    let second = Table { client: first.client.clone(), name: first.name.clone(), consumer: "another team".to_owned() };
    let lease = Lease { owner: "a request", from: SystemTime::now(), until: SystemTime::now() + HALF_A_MINUTE };
    for table in [&first, &second] {
        assert_eq!(table.claim("id", &lease).await.unwrap(), Claim::Ours);
    }
    let claimed = item(&first, "id").await;
    assert_eq!(claimed["in_progress_expiration"], number(millis(lease.until)), "the time left to the function");
    first.finish("id").await.unwrap();
    let finished = item(&first, "id").await;
    let mut names: Vec<_> = finished.keys().map(String::as_str).collect();
    names.sort();
    assert_eq!(names, ["expiration", "id", "status"]);
    for item in [claimed, finished] {
        let seconds: u64 = item["expiration"].as_n().unwrap().parse().unwrap();
        let days =
            (Duration::from_secs(seconds) - lease.from.duration_since(SystemTime::UNIX_EPOCH).unwrap()).as_secs();
        assert_eq!(days.div_ceil(24 * 60 * 60), 35);
    }
    assert_eq!(first.claim("id", &lease).await.unwrap(), Claim::Done);
    let other = Lease { owner: "another request", ..lease };
    assert_eq!(second.claim("id", &other).await.unwrap(), Claim::InProgress, "each consumer has its own");
}
