//! The receiver on this machine: an HTTP API in front of it, a local AWS behind it, and a page that shows what passes.

mod callback;
mod front;
mod inspector;
mod journal;
mod listen;
mod printer;
mod report;
mod server;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use local_aws::LocalAws;
use tokio::net::TcpListener;

use crate::{failure::Failure, output::Output, stack::Stack};
use front::Front;
use journal::Journal;
use printer::Printer;
use report::Addresses;

/// Options of `cargo dev up`.
#[derive(clap::Args, Clone, Debug)]
pub struct UpArguments {
    /// Port of the receiver and of the inspector page, on 127.0.0.1 and, where there is IPv6, on ::1. 0 takes a free one
    /// and prints it.
    ///
    /// A tunnel to this port reaches the webhook. The inspector answers neither it nor any other proxy: requests with
    /// Forwarded or X-Forwarded-... are rejected there.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where the local AWS listens; 127.0.0.1, ::1 and 0.0.0.0 bring the other version's loopback with them. Containers
    /// of `sam local` reach it only on 0.0.0.0:4566, and so does everybody else on the network: nothing checks who is
    /// calling.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
    aws_listen: SocketAddr,
    /// A further host name under which the local AWS answers; give it once for each.
    ///
    /// It answers under localhost and names below it, host.docker.internal and IP addresses, and rejects the rest with
    /// 403: a page in a browser can make its own name point to this machine, and would read the queues. It also rejects
    /// requests with Forwarded or X-Forwarded-..., which come through a tunnel or proxy.
    #[arg(long, value_name = "NAME")]
    aws_allow_host: Vec<String>,
}

/// Runs until Ctrl-C.
///
/// # Errors
/// When a port cannot be had.
pub async fn run(arguments: &UpArguments, output: &Output) -> Result<(), Failure> {
    let listen = async |address, option| {
        let sockets = listen::listen(address).await;
        sockets.map_err(|(address, error)| cannot_listen(address, &error, option))
    };
    let front_address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let front_sockets = listen(front_address, "--port PORT; 0 takes a free one").await?;
    let aws_sockets = listen(arguments.aws_listen, "--aws-listen ADDRESS:PORT; port 0 takes a free one").await?;
    let stack = Stack::with_aws(local_aws(aws_sockets, arguments)?);
    let front_address = front_sockets.0.local_addr();
    let front_address = front_address.map_err(|error| Failure::usage(format!("a socket without address: {error}")))?;
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

    server::serve(front_sockets, Arc::clone(&front)).await?;
    stack.aws.shutdown();
    let totals = front.journal.totals();
    drop(front);
    printer.finish().await;
    report::stopped(*output, totals);
    Ok(())
}

/// Serves on these sockets; its queue URLs have the address of the first.
fn local_aws(sockets: (TcpListener, Option<TcpListener>), arguments: &UpArguments) -> Result<LocalAws, Failure> {
    let (first, second) = sockets;
    let aws = LocalAws::with_listener(first);
    let aws = aws.map_err(|error| Failure::usage(format!("a socket without address: {error}")))?;
    if let Some(second) = second {
        aws.serve(second);
    }
    match arguments.aws_allow_host.iter().find(|name| !aws.allow_host(name)) {
        None => Ok(aws),
        Some(wrong) => Err(Failure::usage(format!(
            "--aws-allow-host {wrong}: give a host name, without scheme and port; IP addresses are answered as it is"
        ))),
    }
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
