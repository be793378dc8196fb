//! The host that a request names, and whether a proxy forwarded the request.
//!
//! A page in a browser can make its own name point to this machine (DNS rebinding). The browser then treats this server
//! as the page's origin and lets the page read its responses. The Host header reveals this, because it has the page's
//! name. Nobody can make an IP address or a loopback name point elsewhere.

use std::net::{IpAddr, Ipv4Addr};

use hyper::header::{FORWARDED, HOST};
use hyper::{HeaderMap, Uri};

/// The host that a request is for, without its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    /// Without a final dot.
    Name(&'a str),
    /// An IP address. In a request, an IPv6 address has brackets around it.
    Address(IpAddr),
}

impl<'a> Host<'a> {
    /// `None` if the request names no host, more than one, or an invalid one.
    pub fn of_request(uri: &Uri, headers: &'a HeaderMap) -> Option<Host<'a>> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().filter(|_| hosts.next().is_none())?.to_str().ok()?;
        // A request to a proxy also has a host in the request line.
        let same = uri.authority().is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(host));
        Host::read(host).filter(|_| same)
    }

    fn read(text: &str) -> Option<Host<'_>> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                // A link-local address may name its interface.
                let address = address.split_once('%').map_or(address, |(address, _)| address);
                (Host::Address(IpAddr::V6(address.parse().ok()?)), port)
            }
            None => {
                let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                let name = name.strip_suffix('.').unwrap_or(name);
                let address = name.parse::<Ipv4Addr>().ok();
                (address.map_or(Host::Name(name), |address| Host::Address(address.into())), port)
            }
        };
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        let is_host = !matches!(host, Host::Name(name) if !is_name(name));
        (is_port && is_host).then_some(host)
    }

    /// Whether the host can only be this machine: a loopback address, `localhost`, or a name below it.
    pub fn is_loopback(self) -> bool {
        const LOCALHOST: &str = "localhost";
        match self {
            Host::Address(address) => address.to_canonical().is_loopback(),
            Host::Name(name) => name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(LOCALHOST)),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && text.split('.').all(|label| !label.is_empty())
}

/// The name in lower case, for comparison. `None` for anything but a bare name, such as a name with a port or a scheme,
/// and for an address, which is always allowed.
pub(crate) fn comparable(name: &str) -> Option<String> {
    match Host::read(name) {
        Some(Host::Name(read)) if read == name.strip_suffix('.').unwrap_or(name) => Some(read.to_ascii_lowercase()),
        _ => None,
    }
}

/// Whether a proxy or a tunnel says that it forwarded the request. The Host header does not show this, because many
/// proxies rewrite it.
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name == FORWARDED || name.as_str().starts_with("x-forwarded"))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn host<'a>(headers: &'a mut HeaderMap, hosts: &[&str], uri: &str) -> Option<Host<'a>> {
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        Host::of_request(&uri.parse().unwrap(), headers)
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for (text, expected) in [
            ("localhost", Some(Host::Name("localhost"))),
            ("queue.example.:4566", Some(Host::Name("queue.example"))),
            ("docker_host:80", Some(Host::Name("docker_host"))),
            ("127.0.0.1:4566", Some(Host::Address([127, 0, 0, 1].into()))),
            ("[::1]", Some(Host::Address(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])))),
            ("[fe80::1%25eth0]:4566", Some(Host::Address(IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1])))),
            // A resolver may accept this as an address, but a browser never sends it.
            ("127.1", Some(Host::Name("127.1"))),
            ("", None),
            (":4566", None),
            (".", None),
            ("a..b", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]4566", None),
            ("[localhost]", None),
            ("localhost:x", None),
            ("localhost:4566:4566", None),
            ("127.0.0.1:4566@page.example", None),
            ("page.example@127.0.0.1", None),
            ("localhost, page.example", None),
            ("localhost/", None),
        ] {
            assert_eq!(host(&mut HeaderMap::new(), &[text], "/"), expected, "{text}");
        }
    }

    #[test]
    fn a_missing_repeated_or_contradicting_host_is_none() {
        assert_eq!(host(&mut HeaderMap::new(), &[], "/"), None);
        assert_eq!(host(&mut HeaderMap::new(), &["localhost", "localhost"], "/"), None);
        assert_eq!(host(&mut HeaderMap::new(), &["localhost"], "http://page.example/"), None);
        assert_eq!(host(&mut HeaderMap::new(), &["localhost"], "http://LOCALHOST/"), Some(Host::Name("localhost")));
    }

    #[test]
    fn loopback_addresses_and_localhost_names_are_loopback() {
        for text in
            ["localhost", "LOCALHOST:1", "a.b.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
        {
            assert!(Host::read(text).unwrap().is_loopback(), "{text}");
        }
        for text in ["notlocalhost", "localhost.example", "127.0.0.1.example", "0.0.0.0", "192.0.2.1", "[2001:db8::1]"]
        {
            assert!(!Host::read(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn only_a_bare_name_can_be_allowed() {
        assert_eq!(comparable("My-Machine.Example."), Some("my-machine.example".to_owned()));
        for text in ["", "*", "http://a.example", "a.example:4566", "192.0.2.1", "[::1]", "a b"] {
            assert_eq!(comparable(text), None, "{text}");
        }
    }
}
