//! `cargo dev up`: runs the receiver on this machine, with an HTTP API in front of it, a local AWS behind it, and a
//! page that shows the callbacks.

mod callback;
mod flinks;
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
use flinks::Flinks;
use front::Front;
use journal::Journal;
use printer::Printer;
use report::Addresses;

/// Options of `cargo dev up`.
#[derive(clap::Args, Clone, Debug)]
pub struct UpArguments {
    /// Port of the receiver and of the inspector page, on 127.0.0.1 and on ::1 if the machine has IPv6. With 0 the
    /// command chooses a free port and prints it.
    ///
    /// A tunnel to this port reaches only the webhook. The inspector rejects requests through a tunnel or proxy, which
    /// have the headers Forwarded or X-Forwarded-...
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Address of the local AWS. With 127.0.0.1, ::1 or 0.0.0.0 it also listens on the loopback of the other IP
    /// version.
    ///
    /// Containers of `sam local` reach it only on 0.0.0.0:4566. Then everybody else on the network can reach it too,
    /// because it does not check who calls.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
    aws_listen: SocketAddr,
    /// A further host name that the local AWS accepts. Repeat the option for each name.
    ///
    /// The local AWS accepts localhost and names below it, host.docker.internal and IP addresses. It rejects other
    /// names with a 403, because a website can point its own name to this machine and could otherwise read the queues.
    /// It also rejects requests with Forwarded or X-Forwarded-..., which come through a tunnel or proxy.
    #[arg(long, value_name = "NAME")]
    aws_allow_host: Vec<String>,
    /// Also run a local Flinks: the part of Flinks' API that gives back a login's data.
    ///
    /// Its logins are those of the callbacks: the samples' from the start, and each one that `cargo dev send` or another
    /// sender posts to the receiver. So a callback that the receiver could not take (over 6 MB, for example) can be
    /// fetched here, with the same data. Flinks' own test users are there too. A forged callback adds no login. The
    /// command prints the address, the credentials and the calls to try.
    ///
    /// The local AWS then has RecoveryQueue, its dead-letter queue and the secret flinks/api-credentials. `cargo dev
    /// recover LOGIN-ID --send` puts a request on that queue. The function that takes it is not a part of this command,
    /// because its HTTP client would make every `cargo dev` slower to compile. docs/recovery.md says which test runs
    /// the function against this Flinks.
    #[arg(long)]
    flinks: bool,
    /// Port of the local Flinks, on 127.0.0.1 and on ::1 if the machine has IPv6. With 0 the command chooses a free port
    /// and prints it.
    #[arg(long, value_name = "PORT", default_value_t = 4567, requires = "flinks")]
    flinks_port: u16,
}

/// Runs until Ctrl-C.
///
/// # Errors
/// If a port is not available.
pub async fn run(arguments: &UpArguments, output: &Output) -> Result<(), Failure> {
    let listen = async |address, option| {
        let sockets = listen::listen(address).await;
        sockets.map_err(|(address, error)| cannot_listen(address, &error, option))
    };
    let front_address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let front_sockets = listen(front_address, "--port PORT (0 chooses a free one)").await?;
    let aws_sockets = listen(arguments.aws_listen, "--aws-listen ADDRESS:PORT (port 0 chooses a free one)").await?;
    let flinks = match arguments.flinks {
        false => None,
        true => {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.flinks_port));
            let sockets = listen(address, "--flinks-port PORT (0 chooses a free one)").await?;
            Some(Flinks::start(sockets).map_err(|error| no_address(&error))?)
        }
    };
    let stack = Stack::with_aws(local_aws(aws_sockets, arguments)?);
    if flinks.is_some() {
        stack.add_recovery(&flinks::credentials());
    }
    let front_address = front_sockets.0.local_addr();
    let front_address = front_address.map_err(|error| no_address(&error))?;
    let addresses =
        Addresses { front: front_address, aws_listen: stack.aws.address(), aws: reachable(stack.aws.address()) };

    let endpoint = addresses.aws_endpoint();
    let config = stack
        .config(&[("AWS_ENDPOINT_URL", &endpoint)])
        .map_err(|problems| Failure::usage(format!("the receiver's configuration is wrong: {problems:?}")))?;
    let printer = Printer::start(*output);
    report::started(*output, &addresses, &config, flinks.as_ref());
    let front = Arc::new(Front::new(&config, Journal::default(), printer.lines(), flinks));
    front.prepare().await;

    server::serve(front_sockets, Arc::clone(&front)).await?;
    stack.aws.shutdown();
    let totals = front.journal.totals();
    drop(front);
    printer.finish().await;
    report::stopped(*output, totals);
    Ok(())
}

/// Starts the local AWS on these sockets. Its queue URLs have the address of the first one.
fn local_aws(sockets: (TcpListener, Option<TcpListener>), arguments: &UpArguments) -> Result<LocalAws, Failure> {
    let (first, second) = sockets;
    let aws = LocalAws::with_listener(first);
    let aws = aws.map_err(|error| no_address(&error))?;
    if let Some(second) = second {
        aws.serve(second);
    }
    match arguments.aws_allow_host.iter().find(|name| !aws.allow_host(name)) {
        None => Ok(aws),
        Some(wrong) => Err(Failure::usage(format!(
            "--aws-allow-host {wrong}: give a host name without scheme and port; IP addresses are always accepted"
        ))),
    }
}

/// The address under which a program on this machine reaches a listener on `address`. Nobody can connect to an address
/// that stands for all interfaces, so this replaces it by a loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn no_address(error: &io::Error) -> Failure {
    Failure::usage(format!("cannot get the socket's address: {error}"))
}

fn cannot_listen(address: SocketAddr, error: &io::Error, option: &str) -> Failure {
    Failure::usage(match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is taken: stop the program that listens there, or choose another with {option}")
        }
        _ => format!("cannot listen on {address} ({error}): choose another with {option}"),
    })
}
