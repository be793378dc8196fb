//! Secrets, their versions and their stages.

use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::primitives::Blob;

use crate::support::{Target, code, unique};

rules! {
    the_current_version_is_the_default: Has,
    a_secret_is_found_by_its_arn: Has,
    an_unknown_secret_is_not_found: Has,
    a_secret_that_never_rotated_has_no_previous_version: Has,
    a_new_value_makes_the_current_version_the_previous: Has,
    the_version_before_the_previous_has_no_stage: Has,
    a_version_is_found_by_its_id: Has,
    an_unknown_version_is_not_found: Has,
    stage_and_id_must_agree: Has,
    the_same_token_with_the_same_value_is_the_same_request: Has,
    the_same_token_with_another_value_is_rejected: Has,
    a_version_may_have_stages_of_its_own: Has,
    a_value_may_be_binary: Has,
    a_value_has_at_most_65_536_bytes: Lacks,
    a_name_can_be_used_only_once: Has,
    each_version_has_its_own_created_date: Has,
}

async fn the_current_version_is_the_default(t: &Target) {
    let name = t.secret("first").await;
    let got = t.secrets.get_secret_value().secret_id(&name).send().await.unwrap();
    assert_eq!(got.secret_string(), Some("first"));
    assert_eq!(got.name(), Some(name.as_str()));
    assert_eq!(got.version_stages(), ["AWSCURRENT"]);
}

async fn a_secret_is_found_by_its_arn(t: &Target) {
    let name = t.secret("first").await;
    let arn = t.secrets.get_secret_value().secret_id(&name).send().await.unwrap().arn.unwrap();
    assert!(arn.contains(&format!(":secret:{name}-")));
    assert_eq!(get(t, &arn, "AWSCURRENT").await.as_deref(), Some("first"));
}

async fn an_unknown_secret_is_not_found(t: &Target) {
    let got = t.secrets.get_secret_value().secret_id(unique()).send().await;
    assert_eq!(code(got), "ResourceNotFoundException");
}

async fn a_secret_that_never_rotated_has_no_previous_version(t: &Target) {
    let name = t.secret("first").await;
    let got = t.secrets.get_secret_value().secret_id(name).version_stage("AWSPREVIOUS").send().await;
    assert_eq!(code(got), "ResourceNotFoundException");
}

async fn a_new_value_makes_the_current_version_the_previous(t: &Target) {
    let name = t.secret("first").await;
    t.secrets.put_secret_value().secret_id(&name).secret_string("second").send().await.unwrap();
    assert_eq!(get(t, &name, "AWSCURRENT").await.as_deref(), Some("second"));
    assert_eq!(get(t, &name, "AWSPREVIOUS").await.as_deref(), Some("first"));
}

async fn the_version_before_the_previous_has_no_stage(t: &Target) {
    let name = t.secret("first").await;
    for value in ["second", "third"] {
        t.secrets.put_secret_value().secret_id(&name).secret_string(value).send().await.unwrap();
    }
    assert_eq!(get(t, &name, "AWSCURRENT").await.as_deref(), Some("third"));
    assert_eq!(get(t, &name, "AWSPREVIOUS").await.as_deref(), Some("second"));
}

async fn a_version_is_found_by_its_id(t: &Target) {
    let name = t.secret("first").await;
    let id = t.secrets.get_secret_value().secret_id(&name).send().await.unwrap().version_id.unwrap();
    t.secrets.put_secret_value().secret_id(&name).secret_string("second").send().await.unwrap();
    let got = t.secrets.get_secret_value().secret_id(&name).version_id(id).send().await.unwrap();
    assert_eq!(got.secret_string(), Some("first"));
}

async fn an_unknown_version_is_not_found(t: &Target) {
    let name = t.secret("first").await;
    let got = t.secrets.get_secret_value().secret_id(&name).version_id("v".repeat(32)).send().await;
    assert_eq!(code(got), "ResourceNotFoundException");
}

async fn stage_and_id_must_agree(t: &Target) {
    let name = t.secret("first").await;
    let id = t.secrets.get_secret_value().secret_id(&name).send().await.unwrap().version_id.unwrap();
    let request = t.secrets.get_secret_value().secret_id(&name).version_id(id);
    assert_eq!(code(request.version_stage("AWSPREVIOUS").send().await), "InvalidRequestException");
}

async fn the_same_token_with_the_same_value_is_the_same_request(t: &Target) {
    let name = t.secret("first").await;
    for _ in 0..2 {
        let request = t.secrets.put_secret_value().secret_id(&name).secret_string("second");
        let put = request.client_request_token("t".repeat(32)).send().await.unwrap();
        assert_eq!(put.version_id(), Some("t".repeat(32).as_str()));
    }
    assert_eq!(get(t, &name, "AWSPREVIOUS").await.as_deref(), Some("first"));
}

async fn the_same_token_with_another_value_is_rejected(t: &Target) {
    let name = t.secret("first").await;
    let put = |value| {
        let request = t.secrets.put_secret_value().secret_id(&name).secret_string(value);
        request.client_request_token("t".repeat(32)).send()
    };
    put("second").await.unwrap();
    assert_eq!(code(put("third").await), "ResourceExistsException");
}

async fn a_version_may_have_stages_of_its_own(t: &Target) {
    let name = t.secret("first").await;
    let request = t.secrets.put_secret_value().secret_id(&name).secret_string("next");
    request.version_stages("AWSPENDING").send().await.unwrap();
    assert_eq!(get(t, &name, "AWSCURRENT").await.as_deref(), Some("first"));
    assert_eq!(get(t, &name, "AWSPENDING").await.as_deref(), Some("next"));
}

async fn a_value_may_be_binary(t: &Target) {
    let name = unique();
    let value = Blob::new([0, 255]);
    t.secrets.create_secret().name(&name).secret_binary(value.clone()).send().await.unwrap();
    let got = t.secrets.get_secret_value().secret_id(&name).send().await.unwrap();
    assert_eq!(got.secret_binary(), Some(&value));
}

async fn a_value_has_at_most_65_536_bytes(t: &Target) {
    let name = t.secret("first").await;
    let put = |size| t.secrets.put_secret_value().secret_id(&name).secret_string("x".repeat(size)).send();
    assert_eq!(code(put(65_536).await), "none");
    assert_ne!(code(put(65_537).await), "none");
}

async fn a_name_can_be_used_only_once(t: &Target) {
    let name = t.secret("first").await;
    let again = t.secrets.create_secret().name(name).secret_string("second").send().await;
    assert_eq!(code(again), "ResourceExistsException");
}

async fn each_version_has_its_own_created_date(t: &Target) {
    let name = t.secret("first").await;
    let got = t.secrets.get_secret_value().secret_id(name).send().await.unwrap();
    let created = SystemTime::try_from(*got.created_date().unwrap()).unwrap();
    let age = SystemTime::now().duration_since(created).unwrap_or_default();
    assert!(age < Duration::from_secs(60));
}

#[tokio::test]
async fn a_deleted_secret_cannot_be_read() {
    let t = Target::local().await;
    t.aws().create_secret("keys", "first");
    t.aws().delete_secret("keys");
    let got = t.secrets.get_secret_value().secret_id("keys").send().await;
    assert_eq!(code(got), "InvalidRequestException");
}

#[tokio::test]
async fn a_test_rotates_and_ages_a_secret() {
    let t = Target::local().await;
    let arn = "arn:aws:secretsmanager:ca-central-1:111122223333:secret:keys-AbC123";
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    t.aws().create_secret(arn, "first");
    t.aws().put_secret_value("keys", "second");
    t.aws().set_secret_created("keys", "AWSPREVIOUS", long_ago);
    let request = t.secrets.get_secret_value().secret_id(arn).version_stage("AWSPREVIOUS");
    let got = request.send().await.unwrap();
    assert_eq!(got.secret_string(), Some("first"));
    assert_eq!(got.created_date().unwrap().secs(), 1_000_000_000);
}

async fn get(t: &Target, id: &str, stage: &str) -> Option<String> {
    let request = t.secrets.get_secret_value().secret_id(id).version_stage(stage);
    request.send().await.unwrap().secret_string
}
