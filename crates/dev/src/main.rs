//! `cargo dev`: Flinks on your desk.

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

/// Flinks on your desk: signed callbacks to send, a receiver to send them to, and a doctor for signatures.
///
/// Exit codes: 0 it worked; 1 it ran, and the answer is no (a callback was not delivered, a forgery was not rejected, no
/// signature matches); 2 it could not be run as asked, and one line on standard error says what to do.
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
    /// Show the product working: callbacks of each kind and a forgery, and what arrived on which queue.
    ///
    /// All of it is in this process, the SQS, Secrets Manager and S3 too: no network, no container, no AWS account.
    Demo,
    /// Run the receiver and a local AWS until Ctrl-C, with a page that shows each callback as it arrives.
    ///
    /// The page is at the receiver's address, http://127.0.0.1:8080/. What is in the queues is gone when it ends. With
    /// --json: an object with "started" and the addresses, one for each "callback", and one for "stopped".
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
        .map_err(|error| Failure::usage(format!("no runtime: {error}")))
        .and_then(|runtime| runtime.block_on(run(arguments.command, &output)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

/// Ends with what is wrong about the arguments, on one line; or with the help or version that was asked for.
fn usage(error: &clap::Error) -> ! {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    let text = error.render().to_string();
    let said: Vec<_> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let _ = writeln!(anstream::stderr().lock(), "{}; --help says more", said.join(" "));
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
