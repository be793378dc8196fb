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

    /// The steps are measured in this program, so they say something of the function only while both are built from the
    /// same libraries. After a change of the project's lock file, copy it over this workspace's and run cargo here.
    #[test]
    fn the_measurements_are_built_from_the_versions_that_the_function_is_built_from() {
        let (ours, functions) = (locked("../Cargo.lock"), locked("../../Cargo.lock"));
        let names: BTreeSet<_> = ours.iter().map(|package| &package.name).collect();
        let shared = functions.iter().filter(|package| names.contains(&package.name));
        let others: Vec<_> = shared.filter(|package| !ours.contains(package)).collect();
        assert!(others.is_empty(), "benches/Cargo.lock has other versions of {others:?}");
    }
}
