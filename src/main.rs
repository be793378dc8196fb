//! The receiver: connects the pipeline to the Lambda runtime and to AWS.
// The SDK nests its futures deeper than the compiler follows by default.
#![recursion_limit = "256"]

use std::{process::ExitCode, time::SystemTime};

use flinks_webhooks::{
    Receiver,
    aws::{Clients, S3, SecretsManager, Sqs},
    config::{Config, LambdaFunction},
    http::{Callback, Event, RequestId, TraceHeader},
    lambda::{catch_panic, run},
    rejection::Rejection,
    telemetry::{Record, log_ignored_response_types, log_prefetch},
};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_runtime::{Error, LambdaEvent, service_fn};

type AwsReceiver = Receiver<SecretsManager, Sqs, S3>;

fn main() -> ExitCode {
    run(Config::read(|variable| std::env::var(variable).ok()), serve)
}

/// Fetches the keys, then responds to events until Lambda ends the process.
async fn serve(config: Config) -> Result<(), Error> {
    if let Some(ignored) = &config.ignored_response_types {
        log_ignored_response_types(ignored);
    }
    let Clients { secrets, storage } = Clients::new(&config);
    let receiver = Receiver::new(config.policy, secrets, storage);
    log_prefetch(&receiver.prepare().await);
    let (receiver, function) = (&receiver, &config.function);
    lambda_runtime::run(service_fn(move |event| respond(receiver, function, event))).await
}

/// Responds to one event and logs its line.
async fn respond(
    receiver: &AwsReceiver,
    function: &LambdaFunction,
    LambdaEvent { payload: Event(callback), context }: LambdaEvent<Event>,
) -> Result<ApiGatewayV2httpResponse, Error> {
    let mut record = Record { request_id: RequestId::parse(&context.request_id), ..Record::default() };
    let trace_header = context.xray_trace_id.as_deref().and_then(TraceHeader::parse);
    let callback = callback.map(|callback| Callback { trace_header, ..callback });
    let response = catch_panic(receiver.receive(callback, &mut record)).await.unwrap_or_else(|| {
        record.rejection = Some(Rejection::Fault);
        Rejection::Fault.into()
    });
    record.line(function, SystemTime::now()).write();
    Ok(response.to_gateway())
}
