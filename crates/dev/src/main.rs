//! `cargo dev`: the developer's command line tool.

use std::process::ExitCode;

use flinks_dev::{command::Arguments, output::Output, program};

fn main() -> ExitCode {
    let arguments: Arguments = program::parse();
    let output = Output::new(&arguments.output);
    program::run(&output, arguments.run(&output))
}
