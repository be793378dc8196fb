//! The IP allow-list: which networks may send at all.
//!
//! Empty unless `ALLOWED_SOURCE_CIDRS` is set, because Flinks publishes no addresses. It decides by the address of the
//! connection, as API Gateway reports it, and never by a header, which any sender can write.

use std::net::IpAddr;

use ipnet::IpNet;

/// The networks that may send. An empty list allows everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpAllowlist(Vec<IpNet>);

impl IpAllowlist {
    /// Reads networks such as `198.51.100.0/24` or `2001:db8::/32`, with commas between and white space around them.
    ///
    /// `None` if one of them is not a network. A network with bits set after its prefix (`10.1.2.3/8`) is rejected:
    /// such a typing error could allow millions of addresses. An IPv4 network written as IPv6 (`::ffff:10.0.0.0/104`)
    /// is rejected too: it would match nothing, because such addresses count as IPv4.
    pub fn parse(list: &str) -> Option<Self> {
        let network = |entry: &str| {
            let network: IpNet = entry.trim().parse().ok()?;
            let exact = network == network.trunc() && network.addr() == network.addr().to_canonical();
            exact.then_some(network)
        };
        list.split(',').map(network).collect::<Option<_>>().map(Self)
    }

    /// Whether this address may send. If there is a list, an unknown address may not.
    pub fn allows(&self, source: Option<IpAddr>) -> bool {
        self.0.is_empty() || source.is_some_and(|source| self.contains(source))
    }

    fn contains(&self, source: IpAddr) -> bool {
        // An IPv4 address can be reported as IPv6 (RFC 4291, section 2.5.5.2).
        let source = source.to_canonical();
        self.0.iter().any(|network| network.contains(&source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, source: &str) -> bool {
        IpAllowlist::parse(list).unwrap().allows(source.parse().ok())
    }

    #[test]
    fn an_address_is_allowed_from_the_first_to_the_last_of_its_network() {
        let list = "198.51.100.0/25, 2001:db8::/32 ,\t203.0.113.7/32";
        for source in ["198.51.100.0", "198.51.100.127", "2001:db8::", "2001:db8:ffff::1", "203.0.113.7"] {
            assert!(allows(list, source), "{source}");
        }
        for source in ["198.51.99.255", "198.51.100.128", "2001:db9::", "203.0.113.6", "::1", "127.0.0.1"] {
            assert!(!allows(list, source), "{source}");
        }
    }

    #[test]
    fn without_a_list_everybody_is_allowed_and_with_one_nobody_unknown() {
        assert!(IpAllowlist::default().allows(None));
        assert!(!IpAllowlist::parse("0.0.0.0/0,::/0").unwrap().allows(None));
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_counts_as_ipv4() {
        assert!(allows("198.51.100.0/24", "::ffff:198.51.100.7"));
        assert!(!allows("198.51.100.0/24", "::198.51.100.7"));
        assert!(!allows("::/0", "::ffff:198.51.100.7"));
    }

    #[test]
    fn a_list_with_anything_but_exact_networks_is_rejected() {
        for list in [
            "",
            " ",
            ",",
            "10.0.0.0/8,",
            "10.0.0.0",
            "10.1.2.3/8",
            "10.0.0.0/33",
            "10.0.0/24",
            "2001:db8::1/32",
            "::ffff:10.0.0.0/104",
            "example.com",
            "10.0.0.0/8;11.0.0.0/8",
        ] {
            assert_eq!(IpAllowlist::parse(list), None, "{list:?}");
        }
    }
}
