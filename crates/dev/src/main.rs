//! `cargo dev`: the receiver on this machine, with nothing installed but Rust.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

use std::{net::SocketAddr, process::ExitCode};

use clap::{Parser, Subcommand};
use flinks_dev::{demo, stack::Stack};

/// The Flinks webhook receiver on this machine: no network, no container, no AWS account.
#[derive(Parser)]
#[command(name = "cargo dev", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the product working: posts signed callbacks and a forgery to the receiver, then reads the queues.
    Demo,
    /// Runs a local AWS with the stack's queues, bucket and secrets until Ctrl-C, for `sam local invoke`.
    Aws {
        /// Where to listen. A container reaches this machine only at an address that is not loopback.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
        listen: SocketAddr,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no runtime: {error}")),
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            Command::Demo => demo::run().await,
            Command::Aws { listen } => aws(listen).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(2)
}

async fn aws(listen: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let stack = Stack::bind(listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    println!("A local AWS with the stack's queues, bucket and secrets is at {}.", stack.aws.endpoint());
    println!("It forgets everything when it ends: Ctrl-C.");
    println!();
    println!("  sam local invoke ReceiverFunction -e events/kyc.json");
    println!(
        "  aws --endpoint-url {} --no-sign-request --region us-east-1 sqs receive-message \\",
        stack.aws.endpoint()
    );
    println!("      --queue-url {} --message-attribute-names All", stack.aws.queue_url("KycQueue"));
    tokio::signal::ctrl_c().await?;
    Ok(())
}
