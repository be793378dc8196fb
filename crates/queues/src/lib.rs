//! `cargo dev queues`, `peek`, `redrive`, `forget` and `recover`: what is in the queues and their dead-letter queues, or
//! should be, here or in a deployed stack.

mod connection;
mod depth;
mod forget;
mod message;
mod object;
mod peek;
mod recover;
mod redrive;

use clap::{Parser, Subcommand};
use flinks_dev::{
    failure::Failure,
    output::{Output, OutputArguments},
};

/// Look at the queues and their dead-letter queues, and move or delete what is in them.
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
    Queues(depth::QueuesArguments),
    Peek(peek::PeekArguments),
    Redrive(redrive::RedriveArguments),
    Forget(forget::ForgetArguments),
    Recover(recover::RecoverArguments),
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When the command could not be run as asked, or its result is no.
    pub async fn run(self, output: &Output) -> Result<(), Failure> {
        match self.command {
            Command::Queues(arguments) => depth::run(&arguments, output).await,
            Command::Peek(arguments) => peek::run(&arguments, output).await,
            Command::Redrive(arguments) => redrive::run(&arguments, output).await,
            Command::Forget(arguments) => forget::run(&arguments, output).await,
            Command::Recover(arguments) => recover::run(&arguments, output).await,
        }
    }
}
