//! Which addresses may be connected to.
//!
//! *Invariant*: a connection is made to an address only if it is public, or if a permit of the job names the host and port of the URL or a
//! network with the address; and in no case if the worker's operator denies it. A name that is permitted leads to no address at which clouds give secrets away: only a network or
//! the address itself does. The decision is about the address that is connected to,
//! not about the name: see `clients` for how that is held up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::CrawlUrl;
use model::job::NetPermit;

/// What a URL may reach beyond public addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reach {
    /// Whether its host and port are named: every address then, but for those of [`is_machinery`].
    named: bool,
    /// The host, if it is named and written as one of those.
    machinery: Option<IpAddr>,
    /// Networks it may reach, sorted.
    networks: Vec<IpNet>,
}

impl Reach {
    /// What permits say about a URL.
    pub(crate) fn of(url: &CrawlUrl, permits: &[NetPermit]) -> Reach {
        let (host, port) = (url.host_str(), url.port());
        let mut reach = Reach { named: false, machinery: None, networks: Vec::new() };
        for permit in permits.iter().filter(|permit| permit.port.is_none_or(|permitted| permitted == port)) {
            if is_host(&permit.host, host) {
                reach.named = true;
            } else if let Ok(network) = permit.host.parse::<IpNet>() {
                reach.networks.push(network.trunc());
            }
        }
        if reach.named {
            let literal = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
            reach.machinery = literal.map(plain).filter(|address| is_machinery(*address));
            // Networks add to every address only what is excepted; without the others equal reaches are equal.
            reach.networks.retain(|network| MACHINERY.iter().any(|excepted| excepted.contains(network) || network.contains(excepted)));
        }
        reach.networks.sort_unstable();
        reach.networks.dedup();
        reach
    }

    /// Whether an address may be connected to.
    pub(crate) fn admits(&self, address: IpAddr, denied: &[IpNet]) -> bool {
        let forms = [Some(address), embedded(address).map(IpAddr::V4)];
        let within = |networks: &[IpNet]| forms.iter().flatten().any(|form| networks.iter().any(|network| network.contains(form)));
        !within(denied) && (self.admits_by_name(plain(address)) || is_public(address) || within(&self.networks))
    }

    fn admits_by_name(&self, address: IpAddr) -> bool {
        self.named && (!is_machinery(address) || self.machinery == Some(address))
    }
}

/// Addresses local to a link, which include those at which clouds tell a machine its secrets, and the ones that do so elsewhere.
const MACHINERY: [IpNet; 4] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(168, 63, 129, 16), 32)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128)),
];

/// Whether an address serves the machine rather than people: nobody who permits a name means it.
fn is_machinery(address: IpAddr) -> bool {
    MACHINERY.iter().any(|network| network.contains(&plain(address)))
}

/// An IPv6 address that leads to an IPv4 address as the latter.
fn plain(address: IpAddr) -> IpAddr {
    embedded(address).map_or(address, IpAddr::V4)
}

/// Whether a permit's host is that of a canonical URL. Brackets around an IPv6 address may be left out.
fn is_host(permitted: &str, host: &str) -> bool {
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    permitted == host || bare(permitted) == bare(host)
}

/// Whether an address belongs to the public internet: neither private nor local to a link or machine, nor reserved, nor for many, nor
/// standing for an IPv4 address that is.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address.into()) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let reserved = matches!(
        (a, b, c, d),
        (0 | 10 | 127 | 224..=255, _, _, _)
            | (100, 64..=127, _, _)
            | (168, 63, 129, 16)
            | (169, 254, _, _)
            | (172, 16..=31, _, _)
            | (192, 0, 0 | 2, _)
            | (192, 88, 99, _)
            | (192, 168, _, _)
            | (198, 18 | 19, _, _)
            | (198, 51, 100, _)
            | (203, 0, 113, _)
    );
    !reserved
}

/// Only 2000::/3 is given out at all; of that the protocol and documentation blocks are not.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let protocols = a == 0x2001 && b < 0x0200;
    let documentation = a == 0x2001 && b == 0x0db8 || a == 0x3fff && b < 0x1000;
    a & 0xe000 == 0x2000 && !protocols && !documentation
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 or 6to4.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => v4(high, low),
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reach(url: &str, permits: &[(&str, Option<u16>)]) -> Reach {
        let permits: Vec<NetPermit> = permits.iter().map(|(host, port)| NetPermit { host: host.to_string(), port: *port }).collect();
        Reach::of(&CrawlUrl::parse(url).unwrap(), &permits)
    }

    fn admits(reach: &Reach, address: &str) -> bool {
        reach.admits(address.parse().unwrap(), &[])
    }

    #[test]
    fn addresses_that_are_not_public_are_known_in_every_notation() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "168.63.129.17",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2001:200::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_permit_holds_for_its_host_and_port_only() {
        let permits = [("127.0.0.1", Some(8080)), ("intranet", None)];
        assert!(admits(&reach("http://127.0.0.1:8080/", &permits), "127.0.0.1"));
        assert!(!admits(&reach("http://127.0.0.1:8081/", &permits), "127.0.0.1"));
        assert!(!admits(&reach("http://127.0.0.2:8080/", &permits), "127.0.0.2"));
        assert!(!admits(&reach("http://rebound.example:8080/", &permits), "127.0.0.1"));
        assert!(admits(&reach("http://intranet:9/", &permits), "10.0.0.1"));
        assert!(admits(&reach("http://[::1]:5/", &[("::1", Some(5))]), "::1"));
        assert!(admits(&reach("http://other.example/", &permits), "1.1.1.1"));
    }

    #[test]
    fn a_network_permit_holds_for_every_name_that_leads_there() {
        let permits = [("10.0.0.0/8", None), ("192.168.0.0/16", Some(81))];
        let reach_80 = reach("http://a.example/", &permits);
        assert!(admits(&reach_80, "10.9.9.9") && admits(&reach_80, "::ffff:10.9.9.9"));
        assert!(!admits(&reach_80, "192.168.1.1") && !admits(&reach_80, "127.0.0.1"));
        assert!(admits(&reach("http://a.example:81/", &permits), "192.168.1.1"));
    }

    #[test]
    fn a_permitted_name_does_not_lead_to_a_clouds_secrets() {
        let secrets = ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1", "fd00:ec2::254", "168.63.129.16"];
        let intranet = reach("http://intranet/", &[("intranet", None)]);
        for address in secrets {
            assert!(!admits(&intranet, address), "{address}");
            let bracketed = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            let url = CrawlUrl::parse(&format!("http://{bracketed}/")).unwrap();
            let literal = reach(url.as_str(), &[(url.host_str(), None)]);
            let same = |other: &&str| plain(other.parse().unwrap()) == plain(address.parse().unwrap());
            assert_eq!(
                secrets.into_iter().filter(|other| admits(&literal, other)).collect::<Vec<_>>(),
                Vec::from_iter(secrets.into_iter().filter(same))
            );
        }
        assert!(admits(&intranet, "fd00::1") && admits(&intranet, "10.0.0.1"));
        let networks = [("intranet", None), ("169.254.0.0/16", None), ("10.0.0.0/8", None)];
        assert!(admits(&reach("http://intranet/", &networks), "169.254.169.254"));
        assert_eq!(intranet, reach("http://intranet/", &[("intranet", None), ("10.0.0.0/8", None)]));
    }

    #[test]
    fn the_workers_operator_has_the_last_word() {
        let denied: [IpNet; 2] = ["127.0.0.0/8".parse().unwrap(), "1.1.1.0/24".parse().unwrap()];
        let named = reach("http://127.0.0.1/", &[("127.0.0.1", None)]);
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "1.1.1.1", "2002:101:101::"] {
            assert!(!named.admits(address.parse().unwrap(), &denied), "{address}");
        }
        assert!(named.admits("10.0.0.1".parse().unwrap(), &denied));
    }

    proptest! {
        #[test]
        fn an_address_in_disguise_is_judged_as_what_it_is(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let [a, b, c, d] = v4.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            let plain = is_public(v4.into());
            prop_assert_eq!(is_public(v4.to_ipv6_mapped().into()), plain);
            prop_assert_eq!(is_public(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into()), plain);
            prop_assert_eq!(is_public(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into()), plain);
        }
    }
}
