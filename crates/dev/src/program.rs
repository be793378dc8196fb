//! What every program of the developer's tool does: it reads its arguments, runs, and reports a failure in one line.

use std::{io::Write, process::ExitCode};

use clap::{Parser, error::ErrorKind};

use crate::{failure::Failure, output::Output};

/// Reads the arguments. Ends the process if they are wrong, and prints the error on one line; also after the help or the
/// version that the user asked for.
pub fn parse<A: Parser>() -> A {
    A::try_parse().unwrap_or_else(|error| usage(&error))
}

fn usage(error: &clap::Error) -> ! {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    let text = error.render().to_string();
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let _ = writeln!(anstream::stderr().lock(), "{}; see --help", lines.join(" "));
    std::process::exit(2)
}

/// Runs a command to its end and prints its failure.
pub fn run(output: &Output, command: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(format!("could not create the async runtime: {error}")))
        .and_then(|runtime| runtime.block_on(command));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}
