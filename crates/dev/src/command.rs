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

/// Tools for a developer: send signed callbacks, run a local receiver, find out why a signature does not match, and
/// inspect the queues.
///
/// Exit codes: 0 if the command worked. 1 if it ran and the result is negative: a callback was not delivered, a forgery
/// was not rejected, or a signature does not match. 2 if it could not run as asked. Then one line on standard error
/// says what to do.
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
    /// Show how many messages are on each queue and its dead-letter queue, and how old the oldest is.
    #[command(disable_help_flag = true)]
    Queues(Unread),
    /// Show a queue's messages and leave them there. For a claim check, show the payload in S3.
    #[command(disable_help_flag = true)]
    Peek(Unread),
    /// Move a queue's dead letters back to the queue, so that its consumers retry them.
    #[command(disable_help_flag = true)]
    Redrive(Unread),
    /// Find one person's data in the queues, the dead letters and the bucket. With --delete, delete it.
    #[command(disable_help_flag = true)]
    Forget(Unread),
    /// Recover the data of logins whose callbacks never arrived: fetch them from Flinks and put them on
    /// AccountsDetailQueue.
    #[command(disable_help_flag = true)]
    Recover(Unread),
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
            Command::Queues(_) | Command::Peek(_) | Command::Redrive(_) | Command::Forget(_) | Command::Recover(_) => {
                run_queues()
            }
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
