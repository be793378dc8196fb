//! The table of deliveries and the bucket, against a local DynamoDB and a local S3. `AWS_ENDPOINT_URL_DYNAMODB` and
//! `AWS_ENDPOINT_URL_S3`, or `AWS_ENDPOINT_URL` for both, say where they are.

use std::env;

use aws_config::Region;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_s3::config::Credentials;

use super::{cases::Stores, *};

/// Made up: the tests never use an account that this machine happens to know.
async fn config() -> SdkConfig {
    for service in ["DYNAMODB", "S3"] {
        let endpoint = env::var(format!("AWS_ENDPOINT_URL_{service}")).or(env::var("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.unwrap_or_default();
        let is_local = ["http://127.0.0.1:", "http://localhost:"].iter().any(|local| endpoint.starts_with(local));
        assert!(is_local, "start `moto_server -p 5055` and set AWS_ENDPOINT_URL=http://127.0.0.1:5055");
    }
    let config = sdk_config().await.into_builder();
    let credentials = Credentials::new("fake", "fake", None, None, "test");
    let credentials = aws_sdk_s3::config::SharedCredentialsProvider::new(credentials);
    config.region(Region::new("ca-central-1")).credentials_provider(credentials).build()
}

/// An empty table.
async fn table(name: &str) -> Table {
    let client = aws_sdk_dynamodb::Client::new(&config().await);
    let name = format!("rust-{name}");
    let _ = client.delete_table().table_name(&name).send().await;
    let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    let created = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    let created = created.attribute_definitions(id.build().unwrap()).key_schema(key.build().unwrap());
    created.send().await.unwrap();
    Table { client, name, consumer: "a team".to_owned() }
}

async fn item(table: &Table, delivery_id: &str) -> std::collections::HashMap<String, AttributeValue> {
    let item = table.client.get_item().table_name(&table.name).key("id", table.id(delivery_id)).consistent_read(true);
    item.send().await.unwrap().item.unwrap_or_default()
}

impl Stores for (Table, aws_sdk_s3::Client) {
    type Deliveries = Table;
    type Payloads = aws_sdk_s3::Client;

    async fn new(case: usize) -> Self {
        let s3 = s3(&config().await);
        for bucket in [BUCKET, FOREIGN_BUCKET] {
            use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
            let here = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::CaCentral1);
            // It may be there already.
            let _ = s3.create_bucket().bucket(bucket).create_bucket_configuration(here.build()).send().await;
        }
        (table(&format!("case-{case}")).await, s3)
    }

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
#[ignore = "needs a local S3 and a local DynamoDB"]
async fn every_case_with_s3_and_dynamodb() {
    cases::run_all::<(Table, aws_sdk_s3::Client)>().await;
}

#[tokio::test]
#[ignore = "needs a local DynamoDB"]
async fn a_delivery_is_claimed_once_until_its_lease_is_over_or_it_is_given_back_and_never_once_it_is_done() {
    let table = table("claims").await;
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
#[ignore = "needs a local DynamoDB"]
async fn a_finished_delivery_is_remembered_for_35_days_by_its_consumer() {
    let first = table("memory").await;
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
