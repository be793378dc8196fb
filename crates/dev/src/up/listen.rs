//! Listens on both loopbacks. Some clients resolve `localhost` only to ::1 and others only to 127.0.0.1, and both must
//! work.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::TcpListener;

/// How many ports to try if any port will do. A port that is free on one loopback can be taken on the other.
const MAX_TRIES: usize = 50;

/// The socket on the requested address, and the one on the other loopback, if there is one.
type Both<L> = (L, Option<L>);

/// Listens on an address. If that is a loopback or stands for all interfaces, also listens on the loopback of the other
/// IP version, on the same port. If the machine has no such loopback, there is no second socket.
///
/// # Errors
/// The address that is not available, and why.
pub(super) async fn listen(address: SocketAddr) -> Result<Both<TcpListener>, (SocketAddr, io::Error)> {
    let bind = async |address: SocketAddr| {
        let listener = TcpListener::bind(address).await?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    };
    listen_with(address, bind).await
}

/// Does the work of [`listen`]. `bind` returns a socket and its port.
async fn listen_with<L>(
    address: SocketAddr,
    bind: impl AsyncFn(SocketAddr) -> io::Result<(L, u16)>,
) -> Result<Both<L>, (SocketAddr, io::Error)> {
    // These sockets stay open until the end, so that the system does not offer their ports again.
    let mut unusable = Vec::new();
    loop {
        let (first, port) = bind(address).await.map_err(|error| (address, error))?;
        let Some(other) = other_loopback(address.ip()) else { return Ok((first, None)) };
        let other = SocketAddr::new(other, port);
        match bind(other).await {
            Ok((second, _)) => return Ok((first, Some(second))),
            // This machine has no such loopback.
            Err(error) if error.kind() != ErrorKind::AddrInUse => return Ok((first, None)),
            // The first socket has most likely taken it: on most systems [::] stands for all interfaces of both
            // versions.
            Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED => return Ok((first, None)),
            Err(error) if address.port() != 0 || unusable.len() == MAX_TRIES => return Err((other, error)),
            Err(_) => unusable.push(first),
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

    /// The addresses that `listen_with` listens on, if `bind` decides which are free. The system's free ports are 1, 2,
    /// 3 and so on.
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
    async fn listening_on_one_loopback_also_listens_on_the_other() {
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
    async fn a_machine_without_ipv6_listens_only_on_ipv4() {
        for missing in [ErrorKind::AddrNotAvailable, ErrorKind::Unsupported, ErrorKind::Other] {
            let bind = |address: SocketAddr| if address.is_ipv6() { failed(missing) } else { Ok(()) };
            assert_eq!(listened("127.0.0.1:80", bind).await.unwrap(), ["127.0.0.1:80"]);
            assert_eq!(listened("127.0.0.1:0", bind).await.unwrap(), ["127.0.0.1:1"]);
        }
    }

    #[tokio::test]
    async fn a_chosen_port_is_free_on_both_loopbacks() {
        let bind = |address: SocketAddr| {
            let taken = address.is_ipv6() && address.port() < 3;
            if taken { failed(ErrorKind::AddrInUse) } else { Ok(()) }
        };
        assert_eq!(listened("127.0.0.1:0", bind).await.unwrap(), ["127.0.0.1:3", "[::1]:3"]);

        let bind = |address: SocketAddr| if address.is_ipv6() { failed(ErrorKind::AddrInUse) } else { Ok(()) };
        assert!(listened("127.0.0.1:0", bind).await.is_err(), "it gives up");
    }

    #[tokio::test]
    async fn a_requested_port_that_is_taken_on_one_loopback_is_an_error() {
        for taken in ["127.0.0.1:80", "[::1]:80"] {
            let bind = |address: SocketAddr| {
                if address.to_string() == taken { failed(ErrorKind::AddrInUse) } else { Ok(()) }
            };
            assert_eq!(listened("127.0.0.1:80", bind).await, Err((taken.to_owned(), ErrorKind::AddrInUse)));
        }
    }

    #[tokio::test]
    async fn a_socket_on_all_ipv6_interfaces_may_cover_ipv4_too() {
        let bind = |address: SocketAddr| if address.is_ipv4() { failed(ErrorKind::AddrInUse) } else { Ok(()) };
        assert_eq!(listened("[::]:80", bind).await.unwrap(), ["[::]:80"]);
    }
}
