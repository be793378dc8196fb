//! The measurements: the whole function beside its peers and the floor, and its steps one by one.
//!
//! `benches/run` builds what is measured and starts this program; `benches/README.md` says what each figure means.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "tables are what this program is for")]

mod callback;
mod cost;
mod function;
mod measured;
mod picture;
mod process;
mod sample;
mod statistics;
mod steps;
mod subject;
mod table;
mod targets;
mod valgrind;
mod world;

use std::{error::Error, process::ExitCode};

use clap::Parser;

/// What went wrong, in words for the person who runs this.
type Failure = Box<dyn Error + Send + Sync>;

#[derive(Parser)]
#[command(about, arg_required_else_help = true)]
enum Command {
    /// The whole function, its peers and the floor, each as a process, side by side in one run
    Function(function::Arguments),
    /// The steps of the function one by one, in this process
    Steps(steps::Arguments),
    /// One step so many times, to be counted by valgrind
    #[command(hide = true)]
    Step(steps::Repeated),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Function(arguments) => function::run(&arguments).await,
        Command::Steps(arguments) => tokio::task::block_in_place(|| steps::run(&arguments)),
        Command::Step(repeated) => tokio::task::block_in_place(|| steps::repeat(&repeated)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
