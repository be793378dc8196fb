//! The commands of `cargo dev`.

use std::{env, ffi::OsString, process};

use clap::{Parser, Subcommand};

use crate::{
    demo,
    doctor::{
        sign::{self, SignArguments},
        verify::{self, VerifyArguments},
    },
    event::{self, EventArguments},
    failure::Failure,
    output::{Output, OutputArguments},
    send, up,
};

/// Flinks on your desk: signed callbacks to send, a receiver to send them to, and a doctor for signatures.
///
/// Exit codes: 0 it worked; 1 it ran, and the result is no (a callback was not delivered, a forgery was not rejected, no
/// signature matches); 2 it could not be run as asked, and one line on standard error says what to do.
#[derive(Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev", arg_required_else_help = true, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub output: OutputArguments,
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
    /// Show how many messages are on each queue and its dead-letter queue, and how old the oldest is.
    #[command(disable_help_flag = true)]
    Queues(Unread),
    /// Look at a queue's messages and leave them there, the payloads of claim checks included.
    #[command(disable_help_flag = true)]
    Peek(Unread),
    /// Move a queue's dead letters back to it, for its consumers to try again.
    #[command(disable_help_flag = true)]
    Redrive(Unread),
    /// Find one person's data in the queues, the dead letters and the bucket; with --delete, delete it.
    #[command(disable_help_flag = true)]
    Forget(Unread),
}

/// Arguments that the package `flinks-queues` reads.
#[derive(clap::Args)]
struct Unread {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _arguments: Vec<OsString>,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When the command could not be run as asked, or its result is no.
    pub async fn run(self, output: &Output) -> Result<(), Failure> {
        match self.command {
            Command::Demo => demo::run(output).await,
            Command::Up(arguments) => up::run(&arguments, output).await,
            Command::Send(arguments) => send::run(arguments, output).await,
            Command::Sign(arguments) => sign::run(&arguments, output).await,
            Command::Verify(arguments) => verify::run(&arguments, output).await,
            Command::Event(arguments) => event::run(&arguments, output).await,
            Command::Queues(_) | Command::Peek(_) | Command::Redrive(_) | Command::Forget(_) => run_queues(),
        }
    }
}

/// Runs `flinks-queues` with the arguments of this process, and ends as it ends. Cargo compiles it the first time:
/// nothing else waits for the clients of SSM and CloudWatch.
fn run_queues() -> Result<(), Failure> {
    const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../queues/Cargo.toml");
    let mut cargo = process::Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--manifest-path", MANIFEST, "--"]).args(env::args_os().skip(1));
    Err(replace(cargo))
}

/// The command takes this process's place, so that it alone gets Ctrl-C.
#[cfg(unix)]
fn replace(mut command: process::Command) -> Failure {
    use std::os::unix::process::CommandExt;

    Failure::usage(format!("could not run cargo: {}", command.exec()))
}

#[cfg(not(unix))]
fn replace(mut command: process::Command) -> Failure {
    match command.status() {
        Ok(status) => process::exit(status.code().unwrap_or(2)),
        Err(error) => Failure::usage(format!("could not run cargo: {error}")),
    }
}
