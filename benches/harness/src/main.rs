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
    use std::{collections::BTreeSet, path::Path, process::Command};

    /// The packages that a package of a workspace is built from, each with its version.
    fn packages_of(package: &str, workspace: &str) -> BTreeSet<(String, String)> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(workspace).join("Cargo.toml");
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--offline", "--locked"])
            // Without the optional functions.
            .arg("--no-default-features")
            .arg("--manifest-path")
            .arg(manifest)
            .output()
            .unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let lines = String::from_utf8(tree.stdout).unwrap();
        let words = lines.lines().map(str::split_whitespace);
        words.filter_map(|mut words| Some((words.next()?.to_owned(), words.next()?.to_owned()))).collect()
    }

    /// The steps run in this program. Their figures hold for the function only if both use the same libraries. After a
    /// change of the project's lock file, copy it over this workspace's lock file and run cargo here.
    #[test]
    fn the_measurements_use_the_same_versions_as_the_function() {
        let (measured, deployed) = (packages_of("flinks-benches", ".."), packages_of("flinks-webhooks", "../.."));
        assert!(deployed.iter().any(|(name, _)| name == "aws-sdk-sqs"));
        let others: Vec<_> = deployed.difference(&measured).collect();
        assert!(others.is_empty(), "benches/Cargo.lock lacks {others:?}");
    }
}
