//! The redelivery: wires it to the Lambda runtime. What invokes it, and with what, does not matter.

use std::{process::ExitCode, time::SystemTime};

use flinks_webhooks::{
    config::{LambdaFunction, RedeliveryConfig},
    function::{contained, run},
    log::{self, Level},
    redelivery::{AwsRedelivery, Budget, Summary},
};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::de::IgnoredAny;

fn main() -> ExitCode {
    run(RedeliveryConfig::read(|variable| std::env::var(variable).ok()), serve)
}

async fn serve(config: RedeliveryConfig) -> Result<(), Error> {
    let redelivery = AwsRedelivery::on_aws(&config);
    let (redelivery, function) = (&redelivery, &config.function);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<IgnoredAny>| async move {
        redeliver(redelivery, function, Budget::until(event.context.deadline())).await
    }))
    .await
}

/// Makes one run and writes its line. An error fails the invocation: nothing is known of what waits.
async fn redeliver(redelivery: &AwsRedelivery, function: &LambdaFunction, budget: Budget) -> Result<Summary, Error> {
    match contained(redelivery.run(budget)).await {
        Some(Ok(summary)) => {
            log::write(&summary.line(function, SystemTime::now()));
            Ok(summary)
        }
        Some(Err(failed)) => {
            let fields = [("awsFailures", serde_json::to_value([failed])?)];
            log::write(&log::notice(Level::Error, "what is undelivered cannot be listed", &fields));
            Err("what is undelivered cannot be listed".into())
        }
        None => Err("a fault of the program".into()),
    }
}
