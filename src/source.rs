//! The gate before the proof: which addresses may send at all.
//!
//! Off unless `ALLOWED_SOURCE_CIDRS` is set, because Flinks publishes no addresses. It decides by the address of the
//! connection, as API Gateway reports it, and never by a header, which any sender can write.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{answer::Rejection, callback::Callback};

/// The networks that may send; without any, everybody may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSources(Vec<IpNet>);

/// A callback from an address that may send. Only [`AllowedSources::admit`] makes one.
pub struct Admitted(Callback);

impl Admitted {
    pub fn into_callback(self) -> Callback {
        self.0
    }
}

impl AllowedSources {
    /// Reads networks such as `198.51.100.0/24` or `2001:db8::/32`, with commas between and white space around them.
    ///
    /// None if one of them is no network. That includes one with bits set behind its prefix (`10.1.2.3/8`): taken as the
    /// network around it, a slip would open the gate for millions. It also includes an IPv4 network written as IPv6
    /// (`::ffff:10.0.0.0/104`), which no address would be in: those count as IPv4.
    pub fn parse(list: &str) -> Option<Self> {
        let network = |entry: &str| {
            let network: IpNet = entry.trim().parse().ok()?;
            let exact = network == network.trunc() && network.addr() == network.addr().to_canonical();
            exact.then_some(network)
        };
        list.split(',').map(network).collect::<Option<_>>().map(Self)
    }

    /// Lets a callback on to the signature check.
    ///
    /// # Errors
    /// [`Rejection::SourceNotAllowed`] if there is a list and the address is not on it, or is not known.
    pub fn admit(&self, callback: Callback) -> Result<Admitted, Rejection> {
        if self.0.is_empty() || callback.source.is_some_and(|source| self.contains(source)) {
            Ok(Admitted(callback))
        } else {
            Err(Rejection::SourceNotAllowed)
        }
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

    fn admits(list: &str, source: &str) -> bool {
        let allowed = AllowedSources::parse(list).unwrap();
        let callback = Callback { source: source.parse().ok(), ..Callback::default() };
        match allowed.admit(callback) {
            Ok(_) => true,
            Err(rejection) => {
                assert_eq!(rejection, Rejection::SourceNotAllowed);
                false
            }
        }
    }

    #[test]
    fn an_address_is_admitted_from_the_first_to_the_last_of_its_network() {
        let list = "198.51.100.0/25, 2001:db8::/32 ,\t203.0.113.7/32";
        for source in ["198.51.100.0", "198.51.100.127", "2001:db8::", "2001:db8:ffff::1", "203.0.113.7"] {
            assert!(admits(list, source), "{source}");
        }
        for source in ["198.51.99.255", "198.51.100.128", "2001:db9::", "203.0.113.6", "::1", "127.0.0.1"] {
            assert!(!admits(list, source), "{source}");
        }
    }

    #[test]
    fn without_a_list_everybody_is_admitted_and_with_one_nobody_unknown() {
        let unknown = || Callback { source: None, ..Callback::default() };
        assert!(AllowedSources::default().admit(unknown()).is_ok());
        assert!(AllowedSources::parse("0.0.0.0/0,::/0").unwrap().admit(unknown()).is_err());
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_counts_as_ipv4() {
        assert!(admits("198.51.100.0/24", "::ffff:198.51.100.7"));
        assert!(!admits("198.51.100.0/24", "::198.51.100.7"));
        assert!(!admits("::/0", "::ffff:198.51.100.7"));
    }

    #[test]
    fn what_is_no_exact_network_is_refused() {
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
            assert_eq!(AllowedSources::parse(list), None, "{list:?}");
        }
    }
}
