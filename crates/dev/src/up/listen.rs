//! Sockets on both loopbacks. Some clients take `localhost` for ::1 alone, others for 127.0.0.1: both are answered.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::TcpListener;

/// Ports that are tried where any will do: one that is free on one loopback can be taken on the other.
const MAX_TRIES: usize = 50;

/// The socket of the address that was asked for, and perhaps one beside it.
type Both<L> = (L, Option<L>);

/// Listens on an address and, where that is a loopback or stands for all interfaces, on the loopback of the other IP
/// version too, on the same port: the second socket. A machine that has no such loopback does without.
///
/// # Errors
/// Which address cannot be had, and why.
pub(super) async fn listen(address: SocketAddr) -> Result<Both<TcpListener>, (SocketAddr, io::Error)> {
    let bind = async |address: SocketAddr| {
        let listener = TcpListener::bind(address).await?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    };
    listen_with(address, bind).await
}

/// As [`listen`]; `bind` gives a socket and its port.
async fn listen_with<L>(
    address: SocketAddr,
    bind: impl AsyncFn(SocketAddr) -> io::Result<(L, u16)>,
) -> Result<Both<L>, (SocketAddr, io::Error)> {
    // Held until the end, so that the next free port is another one.
    let mut passed_over = Vec::new();
    loop {
        let (first, port) = bind(address).await.map_err(|error| (address, error))?;
        let Some(other) = other_loopback(address.ip()) else { return Ok((first, None)) };
        let other = SocketAddr::new(other, port);
        match bind(other).await {
            Ok((second, _)) => return Ok((first, Some(second))),
            // There is no such loopback on this machine.
            Err(error) if error.kind() != ErrorKind::AddrInUse => return Ok((first, None)),
            // Most likely by the first socket: on most systems [::] stands for all interfaces of both versions.
            Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED => return Ok((first, None)),
            Err(error) if address.port() != 0 || passed_over.len() == MAX_TRIES => return Err((other, error)),
            Err(_) => passed_over.push(first),
        }
    }
}

fn other_loopback(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(Ipv4Addr::LOCALHOST | Ipv4Addr::UNSPECIFIED) => Some(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::LOCALHOST | Ipv6Addr::UNSPECIFIED) => Some(Ipv4Addr::LOCALHOST.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// What is listened on, on a machine where `bind` says what is free. Free ports are 1, 2, 3 and so on.
    async fn listened(
        address: &str,
        bind: impl Fn(SocketAddr) -> io::Result<()>,
    ) -> Result<Vec<String>, (String, ErrorKind)> {
        let (free, taken) = (Cell::new(0), RefCell::new(Vec::new()));
        let bind = async |mut address: SocketAddr| {
            if address.port() == 0 {
                free.set(free.get() + 1);
                address.set_port(free.get());
            }
            bind(address)?;
            taken.borrow_mut().push(address);
            Ok((address.to_string(), address.port()))
        };
        let listened = listen_with(address.parse().unwrap(), bind).await;
        let listened = listened.map(|(first, second)| [first].into_iter().chain(second).collect());
        listened.map_err(|(address, error)| (address.to_string(), error.kind()))
    }

    fn failed(kind: ErrorKind) -> io::Result<()> {
        Err(kind.into())
    }

    #[tokio::test]
    async fn a_loopback_brings_the_other_one_with_it() {
        for (address, expected) in [
            ("127.0.0.1:80", vec!["127.0.0.1:80", "[::1]:80"]),
            ("[::1]:80", vec!["[::1]:80", "127.0.0.1:80"]),
            ("0.0.0.0:80", vec!["0.0.0.0:80", "[::1]:80"]),
            ("127.0.0.1:0", vec!["127.0.0.1:1", "[::1]:1"]),
            ("192.0.2.1:80", vec!["192.0.2.1:80"]),
        ] {
            assert_eq!(listened(address, |_| Ok(())).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_machine_without_ipv6_does_without() {
        for missing in [ErrorKind::AddrNotAvailable, ErrorKind::Unsupported, ErrorKind::Other] {
            let bind = |address: SocketAddr| if address.is_ipv6() { failed(missing) } else { Ok(()) };
            assert_eq!(listened("127.0.0.1:80", bind).await.unwrap(), ["127.0.0.1:80"]);
            assert_eq!(listened("127.0.0.1:0", bind).await.unwrap(), ["127.0.0.1:1"]);
        }
    }

    #[tokio::test]
    async fn a_free_port_is_free_on_both() {
        let bind = |address: SocketAddr| {
            let taken = address.is_ipv6() && address.port() < 3;
            if taken { failed(ErrorKind::AddrInUse) } else { Ok(()) }
        };
        assert_eq!(listened("127.0.0.1:0", bind).await.unwrap(), ["127.0.0.1:3", "[::1]:3"]);

        let bind = |address: SocketAddr| if address.is_ipv6() { failed(ErrorKind::AddrInUse) } else { Ok(()) };
        assert!(listened("127.0.0.1:0", bind).await.is_err(), "it gives up");
    }

    #[tokio::test]
    async fn a_port_that_is_asked_for_and_taken_on_one_of_them_is_an_error() {
        for taken in ["127.0.0.1:80", "[::1]:80"] {
            let bind = |address: SocketAddr| {
                if address.to_string() == taken { failed(ErrorKind::AddrInUse) } else { Ok(()) }
            };
            assert_eq!(listened("127.0.0.1:80", bind).await, Err((taken.to_owned(), ErrorKind::AddrInUse)));
        }
    }

    #[tokio::test]
    async fn all_interfaces_of_version_6_may_be_those_of_version_4_too() {
        let bind = |address: SocketAddr| if address.is_ipv4() { failed(ErrorKind::AddrInUse) } else { Ok(()) };
        assert_eq!(listened("[::]:80", bind).await.unwrap(), ["[::]:80"]);
    }
}
