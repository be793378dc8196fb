//! The fan-out's program: connects the bridge to the Lambda runtime and to SNS.
// The SDK nests its futures deeper than the compiler follows by default.
#![recursion_limit = "256"]

use std::{process::ExitCode, time::SystemTime};

use flinks_webhooks::{
    aws::Sns,
    config::FanOutConfig,
    fan_out::{publish_batch, publish_until},
    http::RequestId,
    lambda::{catch_panic, messages_of, run},
    sqs_event::{BatchResponse, SqsEvent},
    telemetry::fan_out_line,
};
use lambda_runtime::{Error, LambdaEvent, service_fn};

fn main() -> ExitCode {
    run(FanOutConfig::read(|variable| std::env::var(variable).ok()), serve)
}

async fn serve(config: FanOutConfig) -> Result<(), Error> {
    let topics = Sns::new(&config);
    let (topics, config) = (&topics, &config);
    lambda_runtime::run(service_fn(move |event| respond(topics, config, event))).await
}

/// Publishes a batch and logs its line. After an error the whole batch stays on the queue.
async fn respond(
    topics: &Sns,
    config: &FanOutConfig,
    LambdaEvent { payload, context }: LambdaEvent<SqsEvent>,
) -> Result<BatchResponse, Error> {
    let messages = messages_of(payload)?;
    let limit = publish_until(context.deadline());
    let published = catch_panic(publish_batch(topics, &config.routes, &messages, limit)).await;
    let batch = published.ok_or("the program panicked")?;
    let request_id = RequestId::parse(&context.request_id);
    fan_out_line(&batch, request_id.as_ref(), &config.function, SystemTime::now()).write();
    Ok(batch.response())
}
