//! The receiver: wires it to the Lambda runtime.
// The SDK nests its futures deeper than the compiler follows unasked.
#![recursion_limit = "256"]

use std::{process::ExitCode, time::SystemTime};

use flinks_webhooks::{
    AwsReceiver,
    answer::{Answer, Rejection},
    callback::GatewayEvent,
    config::{Config, Ignored, LambdaFunction},
    function::{Invocation, answer_events, contained, run},
    log::{self, Level},
    record::Record,
};
use lambda_runtime::Error;

fn main() -> ExitCode {
    run(Config::read(|variable| std::env::var(variable).ok()), serve)
}

/// Fetches the keys, then answers events until Lambda ends the process.
async fn serve(config: Config) -> Result<(), Error> {
    if let Some(Ignored { variable, response_types }) = &config.ignored_response_types {
        let message = "a ResponseType that is built in keeps its own queue; what the variable says of it is ignored";
        let fields = [("variable", (*variable).into()), ("responseTypes", response_types.clone().into())];
        log::write(&log::notice(Level::Warn, message, &fields));
    }
    let receiver = AwsReceiver::on_aws(&config);
    let keys = receiver.prepare().await;
    if !keys.failures.is_empty() || !keys.problems.is_empty() {
        let fields = [
            ("awsFailures", serde_json::to_value(&keys.failures)?),
            ("keyProblems", serde_json::to_value(&keys.problems)?),
        ];
        let message =
            "the signing keys could not all be prefetched as they should be; the next callback reads what is missing";
        log::write(&log::notice(Level::Error, message, &fields));
    }
    let (receiver, function) = (&receiver, &config.function);
    answer_events(|invocation| answer(receiver, function, invocation)).await
}

/// Answers one event and writes its line.
async fn answer(receiver: &AwsReceiver, function: &LambdaFunction, invocation: Invocation) -> Answer {
    let Invocation { request_id, event } = invocation;
    let mut record = Record { request_id, ..Record::default() };
    let work = async {
        let event = event?;
        let callback = GatewayEvent::read(&event).0;
        // Its memory is wanted for the message.
        drop(event);
        Some(receiver.receive(callback, &mut record).await)
    };
    let answer = contained(work).await.flatten().unwrap_or_else(|| {
        record.rejection = Some(Rejection::Fault);
        Rejection::Fault.into()
    });
    log::write(&record.line(function, SystemTime::now()));
    answer
}
