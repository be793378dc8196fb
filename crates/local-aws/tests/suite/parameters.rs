//! Systems Manager's parameters.

use aws_sdk_ssm::types::ParameterType;

use crate::support::{Target, code, unique};

rules! {
    a_parameter_is_read_by_name: Has,
    missing_parameters_are_named: Has,
    a_value_is_replaced_only_on_request_and_is_then_a_new_version: Has,
    at_most_ten_parameters_are_read_at_once: Has,
}

async fn a_parameter_is_read_by_name(t: &Target) {
    let name = put(t, "a value").await;
    let read = t.parameters.get_parameters().names(&name).send().await.unwrap();
    let [parameter] = read.parameters() else { panic!("{read:?}") };
    assert_eq!(parameter.name(), Some(name.as_str()));
    assert_eq!(parameter.value(), Some("a value"));
    assert_eq!(parameter.r#type(), Some(&ParameterType::String));
    assert_eq!(parameter.version(), 1);
    assert!(parameter.arn().unwrap().ends_with(&format!(":parameter{name}")));
}

async fn missing_parameters_are_named(t: &Target) {
    let name = put(t, "a value").await;
    let read = t.parameters.get_parameters().names(&name).names("/no/such").send().await.unwrap();
    assert_eq!(read.parameters().len(), 1);
    assert_eq!(read.invalid_parameters(), ["/no/such"]);
}

async fn a_value_is_replaced_only_on_request_and_is_then_a_new_version(t: &Target) {
    let name = put(t, "first").await;
    let again = t.parameters.put_parameter().name(&name).r#type(ParameterType::String).value("second");
    assert_eq!(code(again.clone().send().await), "ParameterAlreadyExists");
    assert_eq!(again.overwrite(true).send().await.unwrap().version(), 2);
    let read = t.parameters.get_parameters().names(&name).send().await.unwrap();
    assert_eq!(read.parameters()[0].value(), Some("second"));
}

async fn at_most_ten_parameters_are_read_at_once(t: &Target) {
    let names = (0..11).map(|n| format!("/{n}")).collect();
    let rejected = t.parameters.get_parameters().set_names(Some(names)).send().await;
    assert_eq!(code(rejected), "ValidationException");
}

/// Puts a parameter with a new name, and returns the name.
async fn put(t: &Target, value: &str) -> String {
    let name = format!("/{}/queues/kyc/url", unique());
    let request = t.parameters.put_parameter().name(&name).r#type(ParameterType::String);
    request.value(value).send().await.unwrap();
    name
}
