//! The `lambda_runtime` crate polls the API, in a separate process as on Lambda.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper's failure is its test's, though clippy knows only the test functions"
)]

use std::process::Stdio;

use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use local_lambda::{Outcome, RuntimeApi};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Not a test but the function, which the tests start as a child process. By itself it has nothing to poll.
#[tokio::test]
#[ignore = "the function that the other tests start"]
async fn function() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        Runtime::new(service_fn(handle)).run().await.unwrap();
    }
}

/// Responds with the event and its context, to `{"fail": MESSAGE}` with an error, and to `{"bytes": N}` with a string
/// of N bytes.
async fn handle(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    if let Some(message) = event.payload["fail"].as_str() {
        return Err(Diagnostic { error_type: "Asked".to_owned(), error_message: message.to_owned() });
    }
    if let Some(bytes) = event.payload["bytes"].as_u64() {
        return Ok("a".repeat(bytes as usize).into());
    }
    let context = event.context;
    Ok(json!({
        "payload": event.payload,
        "request_id": context.request_id,
        "function": context.env_config.function_name,
        "arn": context.invoked_function_arn,
    }))
}

fn start_function(runtime: &RuntimeApi) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "function", "--ignored"])
        .envs(runtime.environment())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_function_gets_event_and_context_and_its_response_is_returned() {
    let runtime = RuntimeApi::start().await.unwrap();
    let _function = start_function(&runtime);
    runtime.first_poll().await;

    for number in 0..3 {
        let request_id = uuid::Uuid::new_v4();
        let event = json!({ "number": number });
        let outcome = runtime.invoke_with_request_id(request_id, event.to_string()).await;

        let Outcome::Response(response) = outcome else { panic!("{outcome:?}") };
        let expected = json!({
            "payload": event,
            "request_id": request_id.to_string(),
            "function": "local",
            "arn": "arn:aws:lambda:us-east-1:123456789012:function:local",
        });
        assert_eq!(serde_json::from_slice::<Value>(&response).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_function_continues_after_an_error_of_any_kind() {
    let runtime = RuntimeApi::start().await.unwrap();
    let _function = start_function(&runtime);

    let failed = runtime.invoke(r#"{"fail":"no luck"}"#).await;
    let expected = Outcome::Error { error_type: "Asked".to_owned(), error_message: "no luck".to_owned() };
    assert_eq!(failed, expected);

    let not_json = runtime.invoke(&b"\xff"[..]).await;
    assert!(matches!(not_json, Outcome::Error { .. }), "{not_json:?}");

    let too_large = runtime.invoke(r#"{"bytes":8000000}"#).await;
    let Outcome::Error { error_type, .. } = too_large else { panic!("{too_large:?}") };
    assert_eq!(error_type, "Function.ResponseSizeTooLarge");

    let response = runtime.invoke(r#"{"bytes":1}"#).await;
    assert_eq!(response, Outcome::Response(r#""a""#.into()));
}

#[tokio::test]
async fn a_function_that_is_killed_while_it_polls_loses_no_event() {
    let runtime = RuntimeApi::start().await.unwrap();
    let mut killed = start_function(&runtime);
    runtime.first_poll().await;
    killed.kill().await.unwrap();

    let (outcome, _function) = tokio::join!(runtime.invoke(r#"{"bytes":1}"#), async { start_function(&runtime) });
    assert_eq!(outcome, Outcome::Response(r#""a""#.into()));
}
