//! The commands of `cargo dev` that look at queues.

use std::process::ExitCode;

use flinks_dev::{output::Output, program};
use flinks_queues::Arguments;

fn main() -> ExitCode {
    let arguments: Arguments = program::parse();
    let output = Output::new(&arguments.output);
    program::run(&output, arguments.run(&output))
}
