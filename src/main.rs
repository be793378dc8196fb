//! The receiver: wires it to the Lambda runtime.
// The SDK nests its futures deeper than the compiler follows unasked.
#![recursion_limit = "256"]

use std::{process::ExitCode, time::SystemTime};

use flinks_webhooks::{
    AwsReceiver,
    answer::{Answer, Rejection},
    callback::GatewayEvent,
    config::Config,
    function::{contained, run},
    log::{self, Level},
    record::Record,
};
use lambda_runtime::{Error, LambdaEvent, service_fn};

fn main() -> ExitCode {
    run(Config::read(|variable| std::env::var(variable).ok()), serve)
}

/// Fetches the keys, then answers events until Lambda ends the process.
async fn serve(config: Config) -> Result<(), Error> {
    let receiver = AwsReceiver::on_aws(&config);
    let failures = receiver.prepare().await;
    if !failures.is_empty() {
        let failures = serde_json::to_value(&failures)?;
        let message = "not all is well with the keys; the next callback tries again";
        log::write(&log::notice(Level::Error, message, &[("awsFailures", failures)]));
    }
    let (receiver, function_name) = (&receiver, &config.function_name);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<GatewayEvent>| async move {
        Ok::<_, Error>(answer(receiver, function_name, event).await)
    }))
    .await
}

/// Answers one event and writes its line.
async fn answer(receiver: &AwsReceiver, function_name: &str, event: LambdaEvent<GatewayEvent>) -> Answer {
    let mut record = Record { request_id: event.context.request_id, ..Record::default() };
    let answer = contained(receiver.receive(event.payload.0, &mut record)).await.unwrap_or_else(|| {
        record.rejection = Some(Rejection::Fault);
        Rejection::Fault.into()
    });
    log::write(&record.line(function_name, SystemTime::now()));
    answer
}
