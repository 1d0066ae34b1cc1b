//! How hosts are treated: the flags, and the `[[host]]` sections of the config file.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::Duration;

use model::Secret;
use model::job::Credentials;
use spider::HostPattern;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::nearest;
use super::values::{self, Values};
use crate::args::Args;
use crate::logins::Logins;
use crate::scheduler::{HostOverride, HostRules, PolitenessBy, Throttle};

/// A `[[host]]` section as it stands in the config file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSection {
    /// File and line, as in `crawl.toml:12`.
    place: String,
    /// Keys and values, each with its place.
    settings: Vec<Setting>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    place: String,
    key: &'static str,
    value: String,
}

/// The keys of a section. Those between the first and the login's are flags for all hosts.
const KEYS: [&str; 9] = ["pattern", "delay", "jitter", "throttle", "per-host", "max-pages", "user", "password-env", "password-file"];

/// A key that somebody may try, and what is said then.
const PASSWORD: &str = "password";
const NO_PASSWORD: &str = "a password does not stand in this file: name a variable of the environment that has it, `password-env = \"NAME\"`, or a file, `password-file = \"…\"`";

/// Longest time that an origin which never answered in this crawl is tried.
const GIVE_UP_UNANSWERED: Duration = Duration::from_secs(60);

/// How much longer than asked for a pause may get, where the user does not say.
const JITTER: f64 = 0.1;

/// The longest pause that slowness alone leads to, where the user does not say.
const THROTTLE_MAX: Duration = Duration::from_secs(60);

/// The `[[host]]` sections of a config file that is valid TOML.
///
/// # Errors
/// All keys that are none and all values of the wrong type, each with its place.
pub fn sections(path: &str, text: &str) -> Result<Vec<HostSection>, Vec<String>> {
    let Ok(root) = DeTable::parse(text) else { return Ok(Vec::new()) };
    let place = |span: Range<usize>| format!("{path}:{}", text[..span.start.min(text.len())].matches('\n').count() + 1);
    let Some(value) = root.get_ref().get("host") else { return Ok(Vec::new()) };
    let expected = "expected sections, each begun with a line [[host]]";
    let DeValue::Array(all) = value.get_ref() else { return Err(vec![format!("{}: host: {expected}", place(value.span()))]) };
    let (mut sections, mut mistakes) = (Vec::new(), Vec::new());
    for section in all.iter() {
        match section.get_ref() {
            DeValue::Table(table) => sections.push(read(table, place(section.span()), &place, &mut mistakes)),
            _ => mistakes.push(format!("{}: host: {expected}", place(section.span()))),
        }
    }
    if mistakes.is_empty() { Ok(sections) } else { Err(mistakes) }
}

fn read(table: &DeTable<'_>, at: String, place: &dyn Fn(Range<usize>) -> String, mistakes: &mut Vec<String>) -> HostSection {
    let mut section = HostSection { place: at, settings: Vec::new() };
    for (key, value) in table.iter() {
        let (name, at) = (key.get_ref().replace('_', "-"), place(key.span()));
        if name == PASSWORD {
            mistakes.push(format!("{at}: [[host]] {PASSWORD}: {NO_PASSWORD}"));
            continue;
        }
        match (KEYS.into_iter().find(|known| *known == name), scalar(value)) {
            (None, _) => {
                mistakes.push(format!("{at}: [[host]] {}: there is no such key{}", key.get_ref(), nearest(&name, KEYS.into_iter())));
            }
            (Some(key), None) => mistakes.push(format!("{at}: [[host]] {key}: expected a text or a number")),
            (Some(key), Some(value)) => section.settings.push(Setting { place: at, key, value }),
        }
    }
    if !section.settings.iter().any(|setting| setting.key == "pattern") {
        mistakes.push(format!(
            "{}: [[host]] has no pattern: add `pattern = \"example.org\"`, or \"*.example.org\" for that name and all below it",
            section.place
        ));
    }
    section
}

fn scalar(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// What the flags and the sections come to.
pub(super) fn rules(args: &Args, values: &mut Values) -> HostRules {
    let delay = values.duration("--delay", args.delay.as_deref());
    let has_delay = delay.is_some_and(|delay| !delay.is_zero());
    let per_host = values.parse("--per-host", args.per_host.as_deref(), values::count);
    let target = values.parse("--throttle", args.throttle.as_deref(), target);
    let longest = values.duration("--throttle-max", args.throttle_max.as_deref()).unwrap_or(THROTTLE_MAX);
    if per_host.is_some() && has_delay {
        values.mistake(
            "--per-host and --delay contradict each other: a delay implies one request at a time (--delay 0s has none)".to_owned(),
        );
    }
    if per_host.is_some() && target.is_some() {
        values.mistake("--per-host and --throttle contradict each other: a throttled host gets one request at a time".to_owned());
    }
    if let (Some(_), Some(delay)) = (target, delay.filter(|delay| *delay > longest)) {
        let show = humantime::format_duration;
        values.mistake(format!("--throttle-max {} is shorter than --delay {}: no pause could follow the host", show(longest), show(delay)));
    }
    let throttle = |target| Throttle { target, longest };
    let give_up = values.duration("--host-give-up", args.host_give_up.as_deref()).unwrap_or(Duration::from_secs(3600));
    let defaults = (delay.filter(|_| has_delay).is_some(), target.is_some());
    HostRules {
        delay,
        jitter: values.parse("--jitter", args.jitter.as_deref(), jitter).unwrap_or(JITTER),
        throttle: target.map(throttle),
        per_host,
        per_address: values.parse("--per-address", args.per_address.as_deref(), values::count),
        by: values.parse("--politeness-by", args.politeness_by.as_deref(), politeness_by).unwrap_or_default(),
        max_pages: values.parse("--max-pages-per-host", args.max_pages_per_host.as_deref(), values::count),
        ignore_robots: args.ignore_robots,
        backoff: values.duration("--retry-pause", args.retry_pause.as_deref()).unwrap_or(Duration::from_secs(1)),
        give_up,
        give_up_unanswered: give_up.min(GIVE_UP_UNANSWERED),
        overrides: args.hosts.iter().filter_map(|section| own_rules(section, defaults, &throttle, values)).collect(),
    }
}

/// The logins of the sections; `environment` has variables by name.
pub(super) fn logins(args: &Args, environment: &dyn Fn(&str) -> Option<String>, values: &mut Values) -> Logins {
    let login = |section: &HostSection| {
        // What is wrong with a pattern is said where the rules are read.
        let pattern = section.setting("pattern").1.and_then(|text| pattern(text).ok())?;
        Some((pattern, login(section, environment, values)))
    };
    Logins::new(args.hosts.iter().filter_map(login).collect())
}

fn login(section: &HostSection, environment: &dyn Fn(&str) -> Option<String>, values: &mut Values) -> Option<Credentials> {
    let (name, user) = section.setting("user");
    let (env_name, env) = section.setting("password-env");
    let (file_name, file) = section.setting("password-file");
    let password = match (env, file) {
        (Some(_), Some(_)) => Err(format!("{file_name}: there is a password-env too: leave one of them out")),
        (Some(variable), None) => {
            environment(variable).ok_or_else(|| format!("{env_name} {variable:?}: there is no such variable in the environment"))
        }
        (None, Some(path)) => values::secret_file(path).map_err(|error| format!("{file_name} {path:?}: {error}")),
        (None, None) if user.is_some() => {
            Err(format!("{name}: its password is missing: add `password-env = \"NAME\"` or `password-file = \"…\"`"))
        }
        (None, None) => return None,
    };
    let Some(user) = user else {
        values.mistake(format!("{}: [[host]] has a password and no user: add `user = \"…\"`", section.place));
        return None;
    };
    if user.contains(':') || user.chars().any(char::is_control) {
        values.mistake(format!("{name}: a user name has no colon and no control characters"));
    }
    match password {
        Ok(password) => Some(Credentials { user: Secret::new(user), password: Secret::new(password) }),
        Err(mistake) => {
            values.mistake(mistake);
            None
        }
    }
}

impl HostSection {
    /// A setting's name for messages, and its value.
    fn setting(&self, key: &str) -> (String, Option<&str>) {
        let setting = self.settings.iter().find(|setting| setting.key == key);
        let name = setting.map_or_else(String::new, |setting| format!("{}: [[host]] {key}", setting.place));
        (name, setting.map(|setting| setting.value.as_str()))
    }
}

/// One section. `defaults`: whether all hosts have a delay by flag, and a throttle.
fn own_rules(
    section: &HostSection,
    (has_delay, has_throttle): (bool, bool),
    throttle: &dyn Fn(f64) -> Throttle,
    values: &mut Values,
) -> Option<HostOverride> {
    let setting = |key: &str| section.setting(key);
    let (name, text) = setting("pattern");
    let pattern = values.parse(&name, text, pattern);
    let (name, text) = setting("delay");
    let delay = values.duration(&name, text);
    let (name, text) = setting("jitter");
    let jitter = values.parse(&name, text, jitter);
    let (name, text) = setting("throttle");
    let target = values.parse(&name, text, target);
    let (name, text) = setting("per-host");
    let per_host: Option<NonZeroUsize> = values.parse(&name, text, values::count);
    if per_host.is_some_and(|most| most.get() > 1) {
        if delay.map_or(has_delay, |delay| !delay.is_zero()) {
            values.mistake(format!("{name}: a delay implies one request at a time: add `delay = \"0s\"` for more, or leave per-host out"));
        }
        if target.is_some() || has_throttle {
            values.mistake(format!("{name}: a throttled host gets one request at a time: leave per-host or throttle out"));
        }
    }
    let (name, text) = setting("max-pages");
    let max_pages = values.parse(&name, text, values::count);
    Some(HostOverride { pattern: pattern?, delay, jitter, throttle: target.map(throttle), per_host, max_pages })
}

fn pattern(text: &str) -> Result<HostPattern, &'static str> {
    let expected = "expected a host name without port, or `*.` and a name for that name and all below it";
    HostPattern::parse(text).filter(|pattern| !pattern.has_port()).ok_or(expected)
}

/// A part of something, from 0 to 1.
fn jitter(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or("expected a number from 0 to 1: the most by which a pause gets longer, as a part of it")
}

fn target(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok().filter(|number: &f64| (0.01..=100.0).contains(number));
    number.ok_or("expected a number from 0.01 to 100: 1 pauses as long as the host takes to answer, 0.5 twice as long")
}

/// What a clock belongs to, as the user writes it.
pub(crate) fn politeness_by(text: &str) -> Result<PolitenessBy, &'static str> {
    match text {
        "host" => Ok(PolitenessBy::Host),
        "domain" => Ok(PolitenessBy::Domain),
        "ip" => Ok(PolitenessBy::Address),
        _ => Err("expected host, domain or ip"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::HostName;

    fn build(text: &str, flags: Args) -> Result<HostRules, Vec<String>> {
        let args = Args { hosts: sections("c.toml", text)?, ..flags };
        let mut values = Values::default();
        let rules = rules(&args, &mut values);
        values.finish(rules)
    }

    #[test]
    fn the_first_section_that_matches_a_host_is_the_one_that_counts() {
        let text = "[[host]]\npattern = \"slow.example.org\"\ndelay = \"9s\"\n[[host]]\npattern = \"*.example.org\"\ndelay = \"2s\"\nper_host = 1\nmax-pages = 100\n[[host]]\npattern = \"example.org\"\njitter = 0.5";
        let rules = build(text, Args { delay: Some("3s".into()), ..Args::default() }).unwrap();
        let of = |name: &str| rules.of(&HostName::from(name.to_owned()));
        let seconds = |name: &str| of(name).delay.as_secs();
        assert_eq!(["slow.example.org", "a.example.org", "example.org", "example.com"].map(seconds), [9, 2, 2, 3]);
        assert_eq!((of("a.example.org").max_pages.map(|n| n.get()), of("slow.example.org").max_pages), (Some(100), None));
        assert_eq!(of("example.org").jitter, JITTER);
    }

    #[test]
    fn all_mistakes_of_the_sections_are_told_at_once_with_place_and_remedy() {
        let text = "jitter = 0.2\n[[host]]\npattern = \"a\"\ndealy = \"2s\"\ndelay = [1]\n\n[[host]]\ndelay = \"2s\"\n";
        let mistakes = build(text, Args::default()).unwrap_err();
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
        assert_eq!(mistakes[0], "c.toml:4: [[host]] dealy: there is no such key; did you mean delay ?");
        assert_eq!(mistakes[1], "c.toml:5: [[host]] delay: expected a text or a number");
        assert!(mistakes[2].starts_with("c.toml:7: [[host]] has no pattern: add `pattern = "), "{mistakes:?}");
        let text = "[[host]]\npattern = \"a:80\"\ndelay = \"2\"\njitter = 2\nthrottle = 0\nper-host = 0\nmax-pages = -1\n[[host]]\npattern = \"b\"\ndelay = \"1s\"\nper-host = 2";
        let mistakes = build(text, Args::default()).unwrap_err();
        let places: Vec<&str> = mistakes.iter().map(|mistake| mistake.split(": ").next().unwrap()).collect();
        assert_eq!(places, ["c.toml:2", "c.toml:3", "c.toml:4", "c.toml:5", "c.toml:6", "c.toml:7", "c.toml:11"]);
        assert_eq!(build("host = 1", Args::default()).unwrap_err().len(), 1);
    }

    fn read_logins(text: &str) -> Result<Logins, Vec<String>> {
        let args = Args { hosts: sections("c.toml", text)?, ..Args::default() };
        let mut values = Values::default();
        let environment = |name: &str| (name == "SITE_PASSWORD").then(|| "from the environment".to_owned());
        let logins = logins(&args, &environment, &mut values);
        values.finish(logins)
    }

    #[test]
    fn a_login_has_its_password_from_the_environment_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "from a file\n").unwrap();
        let text = format!(
            "[[host]]\npattern = \"a\"\nuser = \"me\"\npassword-env = \"SITE_PASSWORD\"\n[[host]]\npattern = \"b\"\nuser = \"you\"\npassword_file = \"{}\"",
            file.display()
        );
        let logins = read_logins(&text).unwrap();
        let login = |host: &str| logins.of(host).map(|login| (login.user.reveal().to_owned(), login.password.reveal().to_owned()));
        assert_eq!(login("a"), Some(("me".into(), "from the environment".into())));
        assert_eq!(login("b"), Some(("you".into(), "from a file".into())));
        assert_eq!(login("c"), None);
    }

    #[test]
    fn mistakes_of_a_login_are_told_with_the_remedy_and_without_the_password() {
        let mistakes = read_logins("[[host]]\npattern = \"a\"\nuser = \"me\"\npassword = \"hidden\"").unwrap_err();
        assert_eq!(mistakes, [format!("c.toml:4: [[host]] password: {NO_PASSWORD}")]);
        let text = "[[host]]\npattern = \"a\"\nuser = \"me\"\n[[host]]\npattern = \"a\"\npassword-env = \"SITE_PASSWORD\"\n[[host]]\npattern = \"a\"\nuser = \"a:b\"\npassword-env = \"SITE_PASSWORD\"\n[[host]]\npattern = \"a\"\nuser = \"me\"\npassword-env = \"OTHER\"\n[[host]]\npattern = \"a\"\nuser = \"me\"\npassword-file = \"/no/such/file\"\n[[host]]\npattern = \"a\"\nuser = \"me\"\npassword-file = \"x\"\npassword-env = \"SITE_PASSWORD\"";
        let mistakes = read_logins(text).unwrap_err();
        let fragments = [
            "its password is missing",
            "and no user",
            "no colon",
            "\"OTHER\": there is no such variable",
            "\"/no/such/file\": ",
            "leave one",
        ];
        assert_eq!(mistakes.len(), fragments.len(), "{mistakes:?}");
        for (mistake, fragment) in mistakes.iter().zip(fragments) {
            assert!(mistake.contains(fragment), "{mistake} should say {fragment}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let text = |value: &str| Some(value.to_owned());
        let flags = Args { throttle: text("1"), throttle_max: text("1s"), delay: text("2s"), ..Args::default() };
        assert_eq!(build("", flags).unwrap_err().len(), 1);
        let flags = Args { throttle: text("1"), per_host: text("2"), politeness_by: text("name"), ..Args::default() };
        assert_eq!(build("", flags).unwrap_err().len(), 2);
    }
}
