//! Registrable domains, by the public suffix list that is compiled in.

use std::net::IpAddr;

/// The registrable domain of a host name: `example.co.uk` for `www.example.co.uk`. None for an address, for a public suffix itself and for
/// a name of one part.
pub fn registrable(host: &str) -> Option<&str> {
    // An IPv6 address has its brackets; a part of an IPv4 address is no domain.
    if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        return None;
    }
    psl::domain_str(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_what_someone_can_register() {
        for (host, domain) in [
            ("www.example.org", Some("example.org")),
            ("example.org", Some("example.org")),
            ("a.b.example.co.uk", Some("example.co.uk")),
            ("someone.github.io", Some("someone.github.io")),
            ("x.someone.github.io", Some("someone.github.io")),
            ("co.uk", None),
            ("localhost", None),
            ("127.0.0.1", None),
            ("[::1]", None),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
        ] {
            assert_eq!(registrable(host), domain, "{host}");
        }
    }
}
