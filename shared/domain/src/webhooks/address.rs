//! Which addresses of the internet a webhook may be sent to. Whoever registers an endpoint must not reach through it
//! what only this deployment's own network can reach.

use crate::invalid::Invalid;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// The length of an endpoint's address in characters, at most.
const LONGEST_URL: usize = 2_048;

const NOT_HTTPS: Invalid = Invalid("must be a public address that begins with https://");
const NO_ADDRESS: Invalid = Invalid("must be a complete web address, such as https://crm.example.com/payments");
const INTERNAL: Invalid = Invalid("must be an address on the public internet, not one inside a private network");
const USER: Invalid = Invalid("must not contain a user name or a password");
const FRAGMENT: Invalid = Invalid("must not contain the character #");
const TOO_LONG: Invalid =
    Invalid("must have at most 2,048 characters; letters with accents and of other scripts count several times");

/// The IPv4 ranges that are not public: IANA's registry of special-purpose addresses
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>), multicast, and the relay of 6to4.
const IPV4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // The link-local range holds the metadata of machines and functions: 169.254.169.254 and others.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The IPv6 range of public addresses. Everything else is refused: loopback, link-local, private and multicast
/// addresses, and IPv4 addresses that are mapped or translated.
const IPV6_PUBLIC: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The ranges in it that are not public
/// (<https://www.iana.org/assignments/iana-ipv6-special-registry>). Teredo, in the first one, and 6to4 lead to an IPv4
/// address that they contain.
const IPV6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The ends of names that only a private network resolves, or nobody: those that are reserved
/// (<https://www.iana.org/assignments/special-use-domain-names>), and those that networks use without asking.
const INTERNAL_NAMES: [&str; 15] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "home.arpa",
    "onion",
    "alt",
    "test",
    "invalid",
    "example",
];

/// The addresses that may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public `https` addresses alone.
    Public,
    /// Also `http` on the loopback interface, for one machine.
    PublicAndLoopback,
}

impl Reach {
    /// Returns whether a connection to this address may be made.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        !is_internal(address) || (self == Self::PublicAndLoopback && address.is_loopback())
    }

    /// Parses an address to send webhooks to, in the form in which it is called. The name in it is not resolved.
    ///
    /// # Errors
    /// [`Invalid`], with what the address must be.
    pub fn parse(self, text: &str) -> Result<Url, Invalid> {
        if text.chars().count() > LONGEST_URL {
            return Err(TOO_LONG);
        }
        // A parser drops some of these characters, and the address would not be the one that is shown.
        if text.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err(NO_ADDRESS);
        }
        let url: Url = text.parse().map_err(|_| NO_ADDRESS)?;
        // A parser also accepts other spellings, such as https:crm.example.com, which are no addresses elsewhere.
        let rest = text.strip_prefix(url.scheme()).and_then(|rest| rest.strip_prefix("://")).ok_or(NOT_HTTPS)?;
        // It drops the character in front of an empty user name.
        let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
            return Err(USER);
        }
        if url.fragment().is_some() {
            return Err(FRAGMENT);
        }
        // The form in which it is called may be several times as long: other letters than ASCII are encoded.
        if url.as_str().len() > LONGEST_URL {
            return Err(TOO_LONG);
        }
        let host = url.host().ok_or(NO_ADDRESS)?;
        if url.port() == Some(0) || !is_complete(&host) {
            return Err(NO_ADDRESS);
        }
        let on_loopback = self == Self::PublicAndLoopback && is_loopback(&host);
        match url.scheme() {
            "https" if on_loopback || is_public(&host) => Ok(url),
            "https" => Err(INTERNAL),
            "http" if on_loopback => Ok(url),
            _ => Err(NOT_HTTPS),
        }
    }
}

/// Returns whether an address is inside a network, or is no machine's: everything but public unicast addresses.
#[must_use]
pub fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => IPV4.iter().any(|range| in_ipv4(address, *range)),
        IpAddr::V6(address) => !in_ipv6(address, IPV6_PUBLIC) || IPV6.iter().any(|range| in_ipv6(address, *range)),
    }
}

fn in_ipv4(address: Ipv4Addr, (network, bits): (Ipv4Addr, u32)) -> bool {
    (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
}

fn in_ipv6(address: Ipv6Addr, (network, bits): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
}

/// Returns whether a host is one that can be called: a number, or a name of labels of letters, digits, `-` and `_`. A
/// parser accepts more, which no client can call.
fn is_complete(host: &Host<&str>) -> bool {
    let Host::Domain(name) = host else { return true };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(known);
    name.strip_suffix('.').unwrap_or(name).split('.').all(is_label)
}

fn is_public(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => !is_internal((*address).into()),
        Host::Ipv6(address) => !is_internal((*address).into()),
        Host::Domain(name) => is_public_name(name),
    }
}

/// Returns whether a name may be one of the public internet: it has several labels, and no end of a private network.
fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let ends_with = |end: &str| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    name.contains('.') && !INTERNAL_NAMES.iter().any(|end| ends_with(end))
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::EndpointUrl;
    use super::*;

    /// Every form in which an address can lead inside a network.
    const INSIDE: [&str; 58] = [
        "https://localhost/hook",
        "https://crm.localdomain/hook",
        "https://crm.home/hook",
        "https://crm.corp/hook",
        "https://crm.example/hook",
        "https://crm.test./hook",
        "https://crm.onion/hook",
        "https://LOCALHOST/hook",
        "https://localhost./hook",
        "https://a.localhost/hook",
        "https://crm/hook",
        "https://crm./hook",
        "https://crm.local/hook",
        "https://crm.internal/hook",
        "https://ip-10-0-0-1.eu-west-1.compute.internal/hook",
        "https://metadata.google.internal/computeMetadata/v1",
        "https://router.lan/hook",
        "https://router.home.arpa/hook",
        "https://wiki.intranet/hook",
        "https://0.0.0.0/hook",
        "https://10.0.0.1/hook",
        "https://10.255.255.255/hook",
        "https://100.64.0.1/hook",
        "https://100.127.255.255/hook",
        "https://127.0.0.1/hook",
        "https://127.255.255.254:8443/hook",
        // Other spellings of 127.0.0.1, which browsers and libraries read.
        "https://127.1/hook",
        "https://2130706433/hook",
        "https://0x7f000001/hook",
        "https://0x7f.0.0.1/hook",
        "https://0177.0.0.1/hook",
        "https://%31%32%37.0.0.1/hook",
        "https://①②⑦.0.0.1/hook",
        "https://169.254.169.254/latest/meta-data/",
        "https://169.254.170.2/v2/credentials",
        "https://172.16.0.1/hook",
        "https://172.31.255.255/hook",
        "https://192.0.0.1/hook",
        "https://192.0.2.1/hook",
        "https://192.88.99.1/hook",
        "https://192.168.1.1/hook",
        "https://198.18.0.1/hook",
        "https://198.51.100.1/hook",
        "https://203.0.113.1/hook",
        "https://224.0.0.1/hook",
        "https://255.255.255.255/hook",
        "https://[::]/hook",
        "https://[::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://[::ffff:8.8.8.8]/hook",
        "https://[64:ff9b::a9fe:a9fe]/hook",
        "https://[2001:0:7f00:1::]/hook",
        "https://[2001:db8::1]/hook",
        "https://[2002:7f00:1::]/hook",
        "https://[fd00:ec2::254]/hook",
        "https://[fe80::1]/hook",
        "https://[ff02::1]/hook",
        "https://[3fff::1]/hook",
    ];

    #[test]
    fn an_address_inside_a_network_is_refused_in_every_form() {
        for text in INSIDE {
            assert_eq!(Reach::Public.parse(text).unwrap_err(), INTERNAL, "{text}");
        }
    }

    #[test]
    fn a_public_address_is_accepted_and_called_as_it_is() {
        for text in [
            "https://crm.example.com/payments?of=acme",
            "https://crm.example.com:8443/",
            "https://1.1.1.1/hook",
            "https://11.0.0.1/hook",
            "https://172.32.0.1/hook",
            "https://[2606:4700:4700::1111]/hook",
            "https://internal.example.com/hook",
            "https://localhost.example.com/hook",
        ] {
            assert_eq!(Reach::Public.parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_plain_https_address_is_refused_with_the_reason() {
        let long = format!("https://crm.example.com/{}", "x".repeat(2_048));
        for (text, reason) in [
            ("http://crm.example.com/hook", NOT_HTTPS),
            ("https:crm.example.com/hook", NOT_HTTPS),
            ("https:/crm.example.com/hook", NOT_HTTPS),
            ("https:\\\\crm.example.com\\hook", NOT_HTTPS),
            ("HTTPS://crm.example.com/hook", NOT_HTTPS),
            ("https://@crm.example.com/", USER),
            ("https://crm.example.com:0/", NO_ADDRESS),
            ("https://a..b/", NO_ADDRESS),
            ("https://.com/", NO_ADDRESS),
            ("https://ex{am}ple.com/", NO_ADDRESS),
            ("http://127.0.0.1/hook", NOT_HTTPS),
            ("ftp://crm.example.com/hook", NOT_HTTPS),
            ("file:///etc/passwd", NO_ADDRESS),
            ("javascript:alert(1)", NOT_HTTPS),
            ("crm.example.com/hook", NO_ADDRESS),
            ("https://", NO_ADDRESS),
            ("", NO_ADDRESS),
            ("\0", NO_ADDRESS),
            ("https://crm.example.com/a b", NO_ADDRESS),
            ("https://crm.exam\tple.com/", NO_ADDRESS),
            ("https://user@crm.example.com/", USER),
            ("https://:secret@crm.example.com/", USER),
            ("https://crm.example.com/#top", FRAGMENT),
            (long.as_str(), TOO_LONG),
        ] {
            assert_eq!(Reach::Public.parse(text).unwrap_err(), reason, "{text}");
        }
    }

    /// What is stored and shown is what is called, whatever characters a parser drops or writes differently.
    #[test]
    fn an_address_is_stored_in_the_form_in_which_it_is_called() {
        for (text, stored) in [
            ("https://crm.example.com", "https://crm.example.com/"),
            ("https://CRM.example.com:443/hook", "https://crm.example.com/hook"),
            ("https://crm.exam\u{200b}ple.com/", "https://crm.example.com/"),
            ("https://crm.exam\u{ad}ple.com/", "https://crm.example.com/"),
            ("https://münchen.example.com/straße", "https://xn--mnchen-3ya.example.com/stra%C3%9Fe"),
            ("https://crm.example.com/a/../b?c=@d", "https://crm.example.com/b?c=@d"),
        ] {
            let url = EndpointUrl::parse(text, Reach::Public).unwrap();
            assert_eq!(url.as_str(), stored, "{text}");
            assert_eq!(url.address(Reach::Public).unwrap().as_str(), stored);
        }
        let long =
            |letters| EndpointUrl::parse(&format!("https://crm.example.com/{}", "é".repeat(letters)), Reach::Public);
        assert!(long(337).unwrap().address(Reach::Public).is_ok(), "2,046 characters");
        assert_eq!(long(338).unwrap_err(), TOO_LONG, "the address as it is sent is longer");
    }

    #[test]
    fn on_one_machine_the_loopback_interface_is_allowed_and_nothing_else_inside() {
        let reach = Reach::PublicAndLoopback;
        for text in ["http://127.0.0.1:9000/hook", "http://localhost:9000/", "http://[::1]:9000/"] {
            assert_eq!(reach.parse(text).unwrap().as_str(), text);
        }
        for text in ["http://10.0.0.1/", "http://crm.example.com/", "http://169.254.169.254/", "http://a.localhost/"] {
            assert_eq!(reach.parse(text).unwrap_err(), NOT_HTTPS, "{text}");
        }
        assert_eq!(reach.parse("https://10.0.0.1/").unwrap_err(), INTERNAL);
        assert!(reach.allows("127.0.0.1".parse().unwrap()) && !Reach::Public.allows("127.0.0.1".parse().unwrap()));
        for address in ["10.0.0.1", "169.254.169.254", "fd00:ec2::254", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
            assert!(!reach.allows(address.parse().unwrap()), "{address}");
        }
    }
}
