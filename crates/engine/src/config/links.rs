//! Which links are followed: the flags about scope, and the rules they come to.

use std::num::{NonZeroU32, NonZeroUsize};

use model::url::MAX_URL_BYTES;

use super::values::{self, Values};
use crate::args::Args;
use crate::scope::{Breadth, Extensions, KeyRules, LinkRules, NamePattern};

/// URLs of one shape that are followed, where the user does not say: more than most sites have pages, and still an end.
const ALIKE: NonZeroU32 = NonZeroU32::new(100_000).expect("it is not 0");

/// Pages of the same content whose links are followed, where the user does not say.
const SAME_CONTENT: NonZeroU32 = NonZeroU32::new(100).expect("it is not 0");

/// What the flags come to.
pub(super) fn rules(args: &Args, values: &mut Values) -> LinkRules {
    let skip = values.parse("--skip-extensions", args.skip_extensions.as_deref(), |text| {
        Extensions::parse(text).ok_or("expected extensions, comma-separated, such as zip,pdf, or none")
    });
    if args.keep_traps && (args.trap_budget.is_some() || args.same_content.is_some()) {
        values.mistake("--keep-traps contradicts --trap-budget and --same-content: it follows all of them".to_owned());
    }
    let mut budget = |flag, text: &Option<String>, default: NonZeroU32| {
        let most = values.parse(flag, text.as_deref(), values::count).unwrap_or(default);
        (!args.keep_traps).then_some(most)
    };
    LinkRules {
        alike: budget("--trap-budget", &args.trap_budget, ALIKE),
        same_content: budget("--same-content", &args.same_content, SAME_CONTENT),
        breadth: values.parse("--scope", args.scope.as_deref(), breadth).unwrap_or_default(),
        max_url_length: values.parse("--max-url-length", args.max_url_length.as_deref(), url_length).map(NonZeroUsize::get),
        skip: skip.unwrap_or_else(Extensions::binary),
        keys: KeyRules { drop: dropped(args, values), tracking: args.drop_tracking, sessions: !args.keep_traps },
        refuse_repeats: !args.keep_traps,
    }
}

fn dropped(args: &Args, values: &mut Values) -> Vec<NamePattern> {
    let names: Vec<String> = args.drop_params.iter().flat_map(|list| list.split(',')).map(|name| name.trim().to_owned()).collect();
    values.all("--drop-params", &names, |text| {
        NamePattern::parse(text).ok_or("expected names of query parameters, comma-separated, each with at most one *, such as sort,ref_*")
    })
}

fn breadth(text: &str) -> Result<Breadth, &'static str> {
    match text {
        "host" => Ok(Breadth::Host),
        "subdomain" => Ok(Breadth::Subdomain),
        "domain" => Ok(Breadth::Domain),
        "any" => Ok(Breadth::Any),
        _ => Err("expected host, subdomain, domain or any"),
    }
}

fn url_length(text: &str) -> Result<NonZeroUsize, String> {
    let length = values::count::<NonZeroUsize>(text)?;
    if length.get() > MAX_URL_BYTES { Err(format!("a URL is at most {MAX_URL_BYTES} bytes in any case")) } else { Ok(length) }
}
