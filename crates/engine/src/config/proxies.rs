//! `--proxy` and `--proxies`: the proxies of a crawl, with what they want to know of their clients.

use std::sync::Arc;

use model::Secret;
use model::job::{Credentials, Proxy};
use model::url::without_credentials;
use percent_encoding::percent_decode_str;
use url::Url;

use super::values::Values;
use crate::args::Args;

/// The variable with user and password for proxies that have none of their own.
const AUTH: &str = "GOSSAMER_PROXY_AUTH";

/// Most proxies: each is a client with connections of its own at every worker.
const MAX_PROXIES: usize = 1_000;

/// What the flags come to; `environment` has variables by name. Passwords are in no message.
pub(super) fn read(args: &Args, environment: &dyn Fn(&str) -> Option<String>, values: &mut Values) -> Vec<Arc<Proxy>> {
    let mut proxies: Vec<Proxy> = Vec::new();
    let mut add = |name: &str, proxy: Result<Proxy, String>, values: &mut Values| match proxy {
        Err(mistake) => values.mistake(format!("{name}: {mistake}")),
        Ok(proxy) if proxies.iter().any(|known| known.url == proxy.url) => values.mistake(format!("{name} is named twice")),
        Ok(proxy) => proxies.push(proxy),
    };
    for text in &args.proxy {
        let proxy = parse(text).and_then(|proxy| match proxy.auth {
            Some(_) => Err(format!(
                "a command line is no place for a password: set {AUTH}=USER:PASSWORD, or name the proxy in a file of --proxies"
            )),
            None => Ok(proxy),
        });
        add(&format!("--proxy {:?}", without_credentials(text)), proxy, values);
    }
    if let Some(path) = &args.proxies {
        match std::fs::read_to_string(path) {
            Err(error) => values.mistake(format!("--proxies {path}: it cannot be read: {error}")),
            Ok(text) => {
                let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
                for (number, line) in lines {
                    // The line may have a password in it that makes it no URL.
                    add(&format!("--proxies {path}:{}", number + 1), parse(line), values);
                }
                if proxies.is_empty() {
                    values.mistake(format!("--proxies {path} names no proxy: write one a line, such as http://proxy.example:3128"));
                }
            }
        }
    }
    if proxies.len() > MAX_PROXIES {
        values.mistake(format!("{} proxies are more than {MAX_PROXIES}", proxies.len()));
    }
    if !proxies.is_empty() && args.politeness_by.as_deref() == Some("ip") {
        values.mistake(
            "--politeness-by ip needs the addresses of sites, and through a proxy nobody here sees them: host or domain".to_owned(),
        );
    }
    if !proxies.is_empty() && args.per_address.is_some() {
        values.mistake("--per-address needs the addresses of sites, and through a proxy nobody here sees them: leave it out".to_owned());
    }
    if let Some(text) = environment(AUTH).filter(|_| !proxies.is_empty()) {
        match text.split_once(':') {
            Some((user, password)) => {
                let auth = Credentials { user: Secret::new(user), password: Secret::new(password) };
                proxies.iter_mut().filter(|proxy| proxy.auth.is_none()).for_each(|proxy| proxy.auth = Some(auth.clone()));
            }
            None => values.mistake(format!("{AUTH}: expected USER:PASSWORD")),
        }
    }
    proxies.into_iter().map(Arc::new).collect()
}

fn parse(text: &str) -> Result<Proxy, String> {
    let expected = || "expected http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT".to_owned();
    let mut url = Url::parse(text).map_err(|_| expected())?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https" | "socks5h") || url.host_str().is_none_or(str::is_empty) || !is_bare {
        return Err(expected());
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(Secret::new).map_err(|_| expected());
    let auth = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => Some(Credentials { user: decoded(user)?, password: decoded(password.unwrap_or_default())? }),
    };
    // They err only for URLs that cannot have credentials: one without a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(Proxy { url: url.as_str().trim_end_matches('/').to_owned(), auth })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(args: &Args, auth: Option<&str>) -> Result<Vec<Arc<Proxy>>, Vec<String>> {
        let mut values = Values::default();
        let proxies = read(args, &|name| auth.filter(|_| name == AUTH).map(str::to_owned), &mut values);
        values.finish(proxies)
    }

    fn revealed(proxy: &Proxy) -> (String, Option<(String, String)>) {
        let auth = proxy.auth.as_ref().map(|auth| (auth.user.reveal().to_owned(), auth.password.reveal().to_owned()));
        (proxy.url.clone(), auth)
    }

    #[test]
    fn proxies_come_from_flags_and_a_file_and_their_passwords_from_there_and_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("proxies");
        std::fs::write(&file, "# ours\n\nhttp://me:p%40ss@c.example:3128/\nhttps://d.example\n").unwrap();
        let args = Args {
            proxy: vec!["http://A.example:8080".into(), "socks5h://b.example".into()],
            proxies: Some(file.display().to_string()),
            ..Args::default()
        };
        let all: Vec<_> = build(&args, Some("you:a:b")).unwrap().iter().map(|proxy| revealed(proxy)).collect();
        let you = Some(("you".to_owned(), "a:b".to_owned()));
        let expected = [
            ("http://a.example:8080", you.clone()),
            ("socks5h://b.example", you.clone()),
            ("http://c.example:3128", Some(("me".to_owned(), "p@ss".to_owned()))),
            ("https://d.example", you),
        ];
        assert_eq!(all, expected.map(|(url, auth)| (url.to_owned(), auth)));
        assert!(build(&args, None).unwrap().iter().filter(|proxy| proxy.auth.is_some()).count() == 1);
        assert_eq!(build(&Args::default(), Some("nonsense")), Ok(vec![]));
    }

    #[test]
    fn mistakes_are_told_with_the_remedy_and_without_a_password() {
        let args = |proxies: &[&str]| Args { proxy: proxies.iter().map(|text| (*text).to_owned()).collect(), ..Args::default() };
        for bad in ["a.example:80", "a.example", "ftp://a.example", "socks5://a.example", "http://a.example/path", "http://", ""] {
            let mistakes = build(&args(&[bad]), None).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].contains("expected http://HOST:PORT"), "{bad}: {mistakes:?}");
        }
        let mistakes = build(&args(&["http://me:hidden@a.example:1"]), None).unwrap_err();
        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].starts_with("--proxy \"http://***@a.example:1\": a command line is no place"), "{mistakes:?}");
        let twice = build(&args(&["http://a.example:80", "http://a.example"]), None).unwrap_err();
        assert_eq!(twice, ["--proxy \"http://a.example\" is named twice"]);
        let by_address = Args { politeness_by: Some("ip".into()), per_address: Some("2".into()), ..args(&["http://a.example"]) };
        assert_eq!(build(&by_address, Some("hidden")).unwrap_err().len(), 3);
        assert!(!format!("{:?}", build(&by_address, Some("hidden"))).contains("hidden"));
    }
}
