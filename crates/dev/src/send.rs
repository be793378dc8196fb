//! `cargo dev send`: sends signed callbacks to any URL, as Flinks does, and reports the responses.

mod arguments;
mod client;
mod deliver;
mod plan;
mod size;
mod tally;

use std::sync::Arc;

use crate::{failure::Failure, output::Output};
pub use arguments::SendArguments;
use plan::Plan;

/// Sends the callbacks and prints the results.
///
/// # Errors
/// If the arguments are wrong, a callback was not delivered, or a forgery was not rejected.
pub async fn run(arguments: SendArguments, output: &Output) -> Result<(), Failure> {
    let plan = Arc::new(Plan::from_arguments(arguments).await?);
    output.line(plan.announcement());
    let tally = deliver::all(&plan).await?;
    let mut report = plan.json();
    if let (Some(report), Some(figures)) = (report.as_object_mut(), tally.json().as_object()) {
        report.extend(figures.clone());
    }
    output.json(&report);
    output.line(&tally);
    let verdict = tally.verdict(plan.tampered());
    if plan.tampered() {
        match tally.delivered() {
            0 if verdict.is_ok() => {
                output.line("The receiver rejected all of them. That is correct: the signatures are forged.")
            }
            0 => {}
            forgeries => output.line(format_args!(
                "The receiver accepted {forgeries} forged signatures with a 200. It must reject them with a 401."
            )),
        }
    }
    verdict
}
