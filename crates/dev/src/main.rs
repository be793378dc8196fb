//! `cargo dev`: the developer's command line tool.

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand, error::ErrorKind};
use flinks_dev::{
    demo,
    doctor::{
        sign::{self, SignArguments},
        verify::{self, VerifyArguments},
    },
    event::{self, EventArguments},
    failure::Failure,
    output::{Output, OutputArguments},
    queues::{self, ForgetArguments, PeekArguments, QueuesArguments, RedriveArguments},
    send, up,
};

/// Tools for a developer: send signed callbacks, run a local receiver, find out why a signature does not match, and
/// inspect the queues.
///
/// Exit codes: 0 if the command worked. 1 if it ran and the result is negative: a callback was not delivered, a forgery
/// was not rejected, or a signature does not match. 2 if it could not run as asked. Then one line on standard error
/// says what to do.
#[derive(Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev", arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    output: OutputArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the product working: post a callback of each kind and a forgery, and show the message on each queue.
    ///
    /// Everything runs in this process, including SQS, Secrets Manager and S3. It needs no network, no container and no
    /// AWS account.
    Demo,
    /// Run the receiver and a local AWS until Ctrl-C, with a page that shows each callback as it arrives.
    ///
    /// The page is at the receiver's address, http://127.0.0.1:8080/. The messages are lost when the command ends.
    ///
    /// With --json, each object has an "event": first "started" with the addresses, then "callback" for each callback,
    /// and "stopped" at the end.
    Up(up::UpArguments),
    Send(send::SendArguments),
    Sign(SignArguments),
    Verify(VerifyArguments),
    Event(EventArguments),
    Queues(QueuesArguments),
    Peek(PeekArguments),
    Redrive(RedriveArguments),
    Forget(ForgetArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| usage(&error));
    let output = Output::new(&arguments.output);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(format!("could not create the async runtime: {error}")))
        .and_then(|runtime| runtime.block_on(run(arguments.command, &output)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

/// Ends the process. Prints the error in the arguments on one line, or the help or version if the user asked for it.
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

async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Demo => demo::run(output).await,
        Command::Up(arguments) => up::run(&arguments, output).await,
        Command::Send(arguments) => send::run(arguments, output).await,
        Command::Sign(arguments) => sign::run(&arguments, output).await,
        Command::Verify(arguments) => verify::run(&arguments, output).await,
        Command::Event(arguments) => event::run(&arguments, output).await,
        Command::Queues(arguments) => queues::queues(&arguments, output).await,
        Command::Peek(arguments) => queues::peek(&arguments, output).await,
        Command::Redrive(arguments) => queues::redrive(&arguments, output).await,
        Command::Forget(arguments) => queues::forget(&arguments, output).await,
    }
}
