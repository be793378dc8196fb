//! The recovery's program: connects [`Recovery`] to the Lambda runtime, to AWS and to Flinks' API.
// The SDK nests its futures deeper than the compiler follows by default.
#![recursion_limit = "256"]

use std::{process::ExitCode, time::SystemTime};

use flinks_webhooks::{
    aws::{RecoveryClients, RecoveryQueues, RecoverySecret, S3, Sqs},
    config::{LambdaFunction, RecoveryConfig},
    http::{RequestId, TraceHeader},
    lambda::{catch_panic, messages_of, run},
    recovery::{Recovery, StepBudget},
    sqs_event::{BatchResponse, SqsEvent},
    telemetry::recovery_line,
};
use lambda_runtime::{Error, LambdaEvent, service_fn};

type AwsRecovery = Recovery<RecoverySecret, RecoveryQueues, Sqs, S3>;

fn main() -> ExitCode {
    run(RecoveryConfig::read(|variable| std::env::var(variable).ok()), serve)
}

async fn serve(config: RecoveryConfig) -> Result<(), Error> {
    let RecoveryClients { secret, queues, storage } = RecoveryClients::new(&config);
    let recovery = Recovery::new(config.flinks, secret, queues, storage);
    let (recovery, function) = (&recovery, &config.function);
    lambda_runtime::run(service_fn(move |event| respond(recovery, function, event))).await
}

/// Makes one step for each message, one after the other because a payload can be large, and logs its line. A message
/// whose step failed stays on the queue.
async fn respond(
    recovery: &AwsRecovery,
    function: &LambdaFunction,
    LambdaEvent { payload, context }: LambdaEvent<SqsEvent>,
) -> Result<BatchResponse, Error> {
    let messages = messages_of(payload)?;
    let request_id = RequestId::parse(&context.request_id);
    let mut failed = Vec::new();
    for message in messages {
        let trace_header = context.xray_trace_id.as_deref().and_then(TraceHeader::parse);
        let step = recovery.step(&message.body, trace_header, StepBudget::until(context.deadline()));
        // The log has the place of a panic. The message is then as good as one that failed.
        let step = catch_panic(step).await;
        if let Some(step) = &step {
            recovery_line(step, request_id.as_ref(), function, SystemTime::now()).write();
        }
        if step.is_none_or(|step| step.result.is_failed()) {
            failed.push(message.message_id);
        }
    }
    Ok(BatchResponse::failed(failed))
}
