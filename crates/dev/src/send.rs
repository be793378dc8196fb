//! `cargo dev send`: signed callbacks to any URL, as Flinks sends them, and what became of them.

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

/// Sends what the arguments ask for, and prints how it went.
///
/// # Errors
/// When it cannot be sent as asked, something was not delivered, or a forgery was not rejected.
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
                output.line("All were rejected, as they should be: the signatures are of something else.")
            }
            0 => {}
            forgeries => output.line(format_args!(
                "The receiver answered 200 to {forgeries} signatures of something else: it takes forgeries."
            )),
        }
    }
    verdict
}
