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
    keys::{KeyProblem, Prefetch},
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
    report(&receiver.prepare().await)?;
    let (receiver, function) = (&receiver, &config.function);
    answer_events(|invocation| answer(receiver, function, invocation)).await
}

/// Logs what went wrong with the keys at the start, if anything did.
fn report(Prefetch { is_complete, keys }: &Prefetch) -> Result<(), Error> {
    let is_unusable = keys.problems.iter().any(KeyProblem::is_unusable);
    let (level, message) = match is_complete {
        false => (Level::Error, "could not prefetch all signing keys; the next callback retries"),
        true if is_unusable => (Level::Error, "a secret cannot be a signing key"),
        true if keys.problems.is_empty() && keys.failures.is_empty() => return Ok(()),
        true => (Level::Warn, "the signing keys were prefetched, and something was not as it should be"),
    };
    let fields = [
        ("awsFailures", serde_json::to_value(&keys.failures)?),
        ("keyProblems", serde_json::to_value(&keys.problems)?),
    ];
    log::write(&log::notice(level, message, &fields));
    Ok(())
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
