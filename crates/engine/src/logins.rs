//! User names and passwords for hosts, as the config file gives them.

use model::job::Credentials;
use spider::HostPattern;

/// What is sent to which host. A redirect to another host is a request of its own, so nothing goes along with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    sections: Vec<(HostPattern, Option<Credentials>)>,
}

impl Logins {
    /// From the sections of the config file in their order; those without a login count too, for the hosts they match.
    pub fn new(sections: Vec<(HostPattern, Option<Credentials>)>) -> Logins {
        Logins { sections }
    }

    /// The login for a host, as it stands in a canonical URL, by the first section that matches it.
    pub fn of(&self, host: &str) -> Option<&Credentials> {
        self.sections.iter().find(|(pattern, _)| pattern.matches_name(host)).and_then(|(_, login)| login.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Secret;

    #[test]
    fn a_login_goes_to_the_hosts_of_its_section_and_is_not_shown() {
        let login = |user: &str| Some(Credentials { user: Secret::new(user), password: Secret::new("hidden") });
        let section = |pattern: &str, login| (HostPattern::parse(pattern).unwrap(), login);
        let logins =
            Logins::new(vec![section("open.example.org", None), section("*.example.org", login("a")), section("example.com", login("b"))]);
        let user = |host: &str| logins.of(host).map(|login| login.user.reveal().to_owned());
        assert_eq!(["open.example.org", "example.org", "x.example.org"].map(user), [None, Some("a".into()), Some("a".into())]);
        assert_eq!(["example.com", "x.example.com", "badexample.org", "example.org.evil"].map(user), [Some("b".into()), None, None, None]);
        assert!(!format!("{logins:?}").contains("hidden"));
    }
}
