//! The measurements: the whole function, its peers and the floor side by side, and the function's steps one by one.
//!
//! `benches/run` builds everything and starts this program. `benches/README.md` explains each figure.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program prints tables")]

mod backend;
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

use std::{error::Error, process::ExitCode};

use clap::Parser;

/// An error with a message for the person who runs this.
type Failure = Box<dyn Error + Send + Sync>;

#[derive(Parser)]
#[command(about, arg_required_else_help = true)]
enum Command {
    /// The whole function, its peers and the floor, each as a process, side by side in one run
    Function(function::Arguments),
    /// The steps of the function one by one, in this process
    Steps(steps::Arguments),
    /// One step, repeated, for valgrind's counts
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }

    #[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
    struct Package {
        name: String,
        version: String,
    }

    fn locked(file: &str) -> BTreeSet<Package> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        toml::from_str::<Lock>(&fs::read_to_string(file).unwrap()).unwrap().package.into_iter().collect()
    }

    /// The steps run in this program. Their figures hold for the function only if both use the same libraries. After a
    /// change of the project's lock file, copy it over this workspace's lock file and run cargo here.
    #[test]
    fn the_measurements_use_the_same_versions_as_the_function() {
        let (ours, functions) = (locked("../Cargo.lock"), locked("../../Cargo.lock"));
        let names: BTreeSet<_> = ours.iter().map(|package| &package.name).collect();
        let shared = functions.iter().filter(|package| names.contains(&package.name));
        let others: Vec<_> = shared.filter(|package| !ours.contains(package)).collect();
        assert!(others.is_empty(), "benches/Cargo.lock has other versions of {others:?}");
    }
}
