//! The receiver on this machine: an HTTP API in front of it, a local AWS behind it, and a page that shows what passes.

mod callback;
mod front;
mod inspector;
mod journal;
mod printer;
mod report;
mod server;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use tokio::net::TcpListener;

use crate::{failure::Failure, output::Output, stack::Stack};
use front::Front;
use journal::Journal;
use printer::Printer;
use report::Addresses;

/// Options of `cargo dev up`.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct UpArguments {
    /// Port on 127.0.0.1 of the receiver and of the inspector page. 0 takes a free one and prints it.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where the local AWS listens. Containers of `sam local` reach it only on 0.0.0.0:4566, and so does everybody else
    /// on the network: nothing checks who is calling.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
    aws_listen: SocketAddr,
}

/// Runs until Ctrl-C.
///
/// # Errors
/// When a port cannot be had.
pub async fn run(arguments: &UpArguments, output: &Output) -> Result<(), Failure> {
    let front_address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = TcpListener::bind(front_address)
        .await
        .map_err(|error| cannot_listen(front_address, &error, "--port PORT; 0 takes a free one"))?;
    let stack = Stack::bind(arguments.aws_listen).await.map_err(|error| {
        cannot_listen(arguments.aws_listen, &error, "--aws-listen ADDRESS:PORT; port 0 takes a free one")
    })?;
    let front_address = listener.local_addr().map_err(|error| cannot_listen(front_address, &error, "--port PORT"))?;
    let addresses =
        Addresses { front: front_address, aws_listen: stack.aws.address(), aws: reachable(stack.aws.address()) };

    let endpoint = addresses.aws_endpoint();
    let config = stack
        .config(&[("AWS_ENDPOINT_URL", &endpoint)])
        .map_err(|problems| Failure::usage(format!("the receiver's configuration is wrong: {problems:?}")))?;
    let printer = Printer::start(*output);
    let front = Arc::new(Front::new(&config, Journal::default(), printer.lines()));
    front.prepare().await;
    report::started(*output, &addresses, &config);

    server::serve(listener, Arc::clone(&front)).await?;
    stack.aws.shutdown();
    let totals = front.journal.totals();
    drop(front);
    printer.finish().await;
    report::stopped(*output, totals);
    Ok(())
}

/// Where a program on this machine finds what listens on `address`: one that stands for all interfaces is no place to
/// connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn cannot_listen(address: SocketAddr, error: &io::Error, option: &str) -> Failure {
    Failure::usage(match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is taken: stop the program that listens there, or choose another with {option}")
        }
        _ => format!("cannot listen on {address} ({error}): choose another with {option}"),
    })
}
