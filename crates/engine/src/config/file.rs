//! The config file: flags as TOML keys, below flags and environment, and sections that are no flags ([`hosts`](super::hosts)).

use clap::{ArgAction, Command};
use toml::{Table, Value};

/// Keys that name no setting of a crawl.
const NOT_IN_A_FILE: [&str; 3] = ["config", "help", "version"];

/// Keys of sections that are read elsewhere.
const SECTIONS: [&str; 1] = ["host"];

/// Makes the file's values the defaults of a command's flags. `URL`s are written as `urls = [...]`.
///
/// # Errors
/// All mistakes of the file, each with the file's name: syntax, unknown keys, wrong types.
pub fn as_defaults(mut command: Command, path: &str, text: &str) -> Result<Command, Vec<String>> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| vec![format!("{path}: {}", error.to_string().trim_end())])?;
    let mut mistakes = Vec::new();
    for (key, value) in table {
        let name = key.replace('_', "-");
        if SECTIONS.contains(&name.as_str()) {
            continue;
        }
        let known = command.get_arguments().find(|arg| !NOT_IN_A_FILE.contains(&name.as_str()) && is_named(arg, &name));
        let Some(arg) = known else {
            mistakes.push(format!("{path}: {key} is no setting{}", suggestion(&command, &name)));
            continue;
        };
        let (id, action) = (arg.get_id().clone(), arg.get_action().clone());
        match texts(&value, &action) {
            Some(texts) => command = command.mut_arg(id, |arg| arg.default_values(texts)),
            None => mistakes.push(format!("{path}: {key} = {value}: expected {}", expected(&action))),
        }
    }
    if mistakes.is_empty() { Ok(command) } else { Err(mistakes) }
}

fn is_named(arg: &clap::Arg, name: &str) -> bool {
    arg.get_long() == Some(name) || (arg.is_positional() && arg.get_id() == name)
}

fn texts(value: &Value, action: &ArgAction) -> Option<Vec<String>> {
    match (action, value) {
        (ArgAction::SetTrue | ArgAction::SetFalse, Value::Boolean(flag)) => Some(vec![flag.to_string()]),
        (ArgAction::Count, Value::Integer(n)) => Some(vec![n.to_string()]),
        (ArgAction::Append, Value::Array(values)) => values.iter().map(scalar).collect(),
        (ArgAction::Set, Value::Array(values)) => values.iter().map(scalar).collect::<Option<Vec<_>>>().map(|all| vec![all.join(",")]),
        (ArgAction::Set | ArgAction::Append, value) => Some(vec![scalar(value)?]),
        _ => None,
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(n) => Some(n.to_string()),
        Value::Float(n) => Some(n.to_string()),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn expected(action: &ArgAction) -> &'static str {
    match action {
        ArgAction::SetTrue | ArgAction::SetFalse => "true or false",
        ArgAction::Count => "a whole number",
        ArgAction::Append => "a list of texts",
        _ => "a text, a number, or a list of them",
    }
}

fn suggestion(command: &Command, name: &str) -> String {
    nearest(name, command.get_arguments().filter_map(clap::Arg::get_long).filter(|known| !NOT_IN_A_FILE.contains(known)).chain(SECTIONS))
}

/// The name that was meant, as the end of a message; nothing if none is near.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let close = names.map(|known| (distance(known, name), known)).filter(|(distance, _)| *distance <= 3).min();
    close.map(|(_, known)| format!("; did you mean {known} ?")).unwrap_or_default()
}

/// Edit distance, for names of a few letters.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use clap::{CommandFactory, FromArgMatches};

    fn read(text: &str, arguments: &[&str]) -> Result<Args, Vec<String>> {
        let command = as_defaults(Args::command(), "c.toml", text)?;
        let matches = command.try_get_matches_from([&["engine"], arguments].concat()).unwrap();
        Ok(Args::from_arg_matches(&matches).unwrap())
    }

    #[test]
    fn keys_are_flags_and_flags_win() {
        let text = "worker-count = 50\nmax_pages = \"9\"\nworker-hosts = [\":1\", \":2\"]\nurls = [\"http://h/\"]\ndeny = [\"a\", \"b\"]\nverbose = 1\noverwrite = true";
        let args = read(text, &["--max-pages", "7"]).unwrap();
        assert_eq!((args.worker_count.as_deref(), args.max_pages.as_deref()), (Some("50"), Some("7")));
        assert_eq!(
            (args.worker_hosts.as_deref(), args.urls, args.deny),
            (Some(":1,:2"), vec!["http://h/".to_owned()], vec!["a".into(), "b".into()])
        );
        assert_eq!((args.verbose, args.overwrite), (1, true));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mistakes = read("worker-cuont = 50\noverwrite = \"yes\"\nconfig = \"x\"\nmax-pages = []\ndelay = true", &[]).unwrap_err();
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        assert!(mistakes[0].contains("c.toml: worker-cuont is no setting; did you mean worker-count ?"), "{mistakes:?}");
        assert!(read("= 1", &[]).unwrap_err()[0].starts_with("c.toml: "));
    }
}
