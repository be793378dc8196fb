//! The function: wires the receiver to the Lambda runtime.

use std::{panic::AssertUnwindSafe, process::ExitCode, time::SystemTime};

use flinks_webhooks::{
    AwsReceiver,
    answer::{Answer, Rejection},
    callback::GatewayEvent,
    config::Config,
    log::{self, Level},
    record::Record,
    runtime_log,
};
use futures_util::FutureExt;
use lambda_runtime::{LambdaEvent, service_fn};

fn main() -> ExitCode {
    log::silence_panics();
    let config = match Config::read(|variable| std::env::var(variable).ok()) {
        Ok(config) => config,
        Err(problems) => {
            for problem in problems {
                let fields = [("variable", problem.variable.into()), ("expected", problem.expected.into())];
                log::write(&log::notice(Level::Error, "the configuration is wrong", &fields));
            }
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(serve(&config))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => {
            log::write(&log::notice(Level::Error, "the runtime interface is out of reach", &[]));
            ExitCode::FAILURE
        }
    }
}

/// Fetches the keys, then answers events until Lambda ends the process.
async fn serve(config: &Config) -> Result<(), lambda_runtime::Error> {
    runtime_log::install()?;
    let receiver = AwsReceiver::on_aws(config);
    let failures = receiver.prepare().await;
    if !failures.is_empty() {
        let failures = serde_json::to_value(&failures)?;
        let message = "not all is well with the keys; the next callback tries again";
        log::write(&log::notice(Level::Error, message, &[("awsFailures", failures)]));
    }
    let receiver = &receiver;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<GatewayEvent>| async move {
        Ok::<_, lambda_runtime::Error>(answer(receiver, &config.function_name, event).await)
    }))
    .await
}

/// Answers one event and writes its line. A fault of the program costs one callback its answer, not the process its
/// life; the runtime would catch it too, but hand its message to the sender.
async fn answer(receiver: &AwsReceiver, function_name: &str, event: LambdaEvent<GatewayEvent>) -> Answer {
    let mut record = Record { request_id: event.context.request_id, ..Record::default() };
    let received = AssertUnwindSafe(receiver.receive(event.payload.0, &mut record)).catch_unwind().await;
    let answer = received.unwrap_or_else(|_| {
        record.rejection = Some(Rejection::Fault);
        Rejection::Fault.into()
    });
    log::write(&record.line(function_name, SystemTime::now()));
    answer
}
