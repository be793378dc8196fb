//! The redelivery's program: connects [`Redelivery`] to the Lambda runtime and to AWS. Any invocation starts a run; the
//! content of the event does not matter.

use std::{process::ExitCode, time::SystemTime};

use flinks_webhooks::{
    aws::{self, S3, Sqs},
    aws_error::FailedCalls,
    config::{LambdaFunction, RedeliveryConfig},
    delivery::{Redelivery, RunBudget, Summary},
    lambda::{catch_panic, run},
    telemetry::{Level, Line, redelivery_line},
};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::de::IgnoredAny;

type AwsRedelivery = Redelivery<Sqs, S3>;

fn main() -> ExitCode {
    run(RedeliveryConfig::read(|variable| std::env::var(variable).ok()), serve)
}

async fn serve(config: RedeliveryConfig) -> Result<(), Error> {
    let redelivery = Redelivery::new(aws::storage(&config.storage, &config.aws));
    let (redelivery, function) = (&redelivery, &config.function);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<IgnoredAny>| async move {
        redeliver(redelivery, function, RunBudget::until(event.context.deadline())).await
    }))
    .await
}

/// Makes one run and logs its line. If the first listing fails, the invocation fails, because the number of undelivered
/// payloads is then unknown.
async fn redeliver(redelivery: &AwsRedelivery, function: &LambdaFunction, budget: RunBudget) -> Result<Summary, Error> {
    const NO_LISTING: &str = "could not list the undelivered payloads";
    match catch_panic(redelivery.run(budget)).await {
        Some(Ok(summary)) => {
            redelivery_line(&summary, function, SystemTime::now()).write();
            Ok(summary)
        }
        Some(Err(failed)) => {
            let failures = FailedCalls::from(failed);
            Line::notice(Level::Error, NO_LISTING).with("awsFailures", failures).end().write();
            Err(NO_LISTING.into())
        }
        None => Err("the program panicked".into()),
    }
}
