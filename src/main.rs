//! The receiver: wires it to the Lambda runtime.
// The SDK nests its futures deeper than the compiler follows unasked.
#![recursion_limit = "256"]

use std::{cell::Cell, mem, process::ExitCode, rc::Rc, time::SystemTime};

use bytes::Bytes;
use flinks_webhooks::{
    AwsReceiver,
    answer::{Answer, Rejection},
    callback::GatewayEvent,
    config::Config,
    function::{contained, run},
    log::{self, Level},
    record::Record,
};
use lambda_runtime::{Error, LambdaEvent, LambdaInvocation, Runtime, service_fn, tower::util::MapRequestLayer};
use serde::de::IgnoredAny;

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
    // The event goes past the runtime, which would deserialise it in its own way: a `null` goes through.
    let passed = Rc::new(Cell::new(Bytes::new()));
    let event = Rc::clone(&passed);
    let past = MapRequestLayer::new(move |mut invocation: LambdaInvocation| {
        passed.set(mem::replace(&mut invocation.body, Bytes::from_static(b"null")));
        invocation
    });
    let handler = service_fn(move |invocation: LambdaEvent<IgnoredAny>| {
        let event = event.take();
        async move { Ok::<_, Error>(answer(receiver, function_name, invocation.context.request_id, event).await) }
    });
    Runtime::new(handler).layer(past).run().await
}

/// Answers one event and writes its line.
async fn answer(receiver: &AwsReceiver, function_name: &str, request_id: String, event: Bytes) -> Answer {
    let mut record = Record { request_id, ..Record::default() };
    let work = async {
        let callback = GatewayEvent::read(&event).0;
        // Its memory is wanted for the message.
        drop(event);
        receiver.receive(callback, &mut record).await
    };
    let answer = contained(work).await.unwrap_or_else(|| {
        record.rejection = Some(Rejection::Fault);
        Rejection::Fault.into()
    });
    log::write(&record.line(function_name, SystemTime::now()));
    answer
}
