//! A spider file as a whole.

use std::collections::BTreeMap;

use model::schema::TypeSchema;
use model::{Args, CrawlName, ParserRef, SpiderHash};
use toml::de::DeTable;

use crate::check::{self, Names};
use crate::item::{ItemRule, item};
use crate::link::{LinkRule, link};
use crate::mistake::{Mistake, SpiderErrors};
use crate::reader::{Entry, Findings, Table};
use crate::scope::{Scope, scope};
use crate::seed::{Seed, seeds};

/// A spider file that was read, checked and compiled.
#[derive(Clone, Debug)]
pub struct Spider {
    /// The crawl's name.
    pub name: CrawlName,
    /// The version: the hash of the file's bytes.
    pub hash: SpiderHash,
    /// Where the crawl begins; may be empty when URLs are given elsewhere.
    pub seeds: Vec<Seed>,
    /// The parser of URLs that are given elsewhere.
    pub start: ParserRef,
    /// Which URLs belong to the crawl.
    pub scope: Scope,
    /// The parsers by name.
    pub parsers: BTreeMap<String, ParserRules>,
    /// Names of parsers that the workers are to bring along.
    pub worker_parsers: Vec<String>,
    /// What is odd but can be meant.
    pub warnings: Vec<Mistake>,
}

/// What one parser does with a page.
#[derive(Clone, Debug, Default)]
pub struct ParserRules {
    /// Links, rule by rule.
    pub links: Vec<LinkRule>,
    /// Items, rule by rule.
    pub items: Vec<ItemRule>,
}

const KEYS: [&str; 6] = ["name", "seeds", "start", "worker-parsers", "scope", "parsers"];
const PARSER_KEYS: [&str; 2] = ["links", "items"];

impl Spider {
    /// Reads, checks and compiles the text of a spider file. `built_in` names the parsers that every worker has.
    ///
    /// # Errors
    /// All mistakes of the file at once. A text that is no TOML yields the mistakes of its syntax only.
    pub fn parse(text: &str, built_in: &[&str]) -> Result<Spider, SpiderErrors> {
        let mut findings = Findings::new(text);
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            findings.mistake(&span, "", format!("is no TOML: {}", error.message()));
        }
        if let Some(errors) = SpiderErrors::from_found(std::mem::take(&mut findings.mistakes)) {
            return Err(errors);
        }
        let spider = read(&Table::root(&root), text, built_in, &mut findings);
        match (spider, SpiderErrors::from_found(findings.mistakes)) {
            (Some(spider), None) => Ok(Spider { warnings: findings.warnings, ..spider }),
            (_, Some(errors)) => Err(errors),
            (None, None) => unreachable!("whatever is left out has been said to be a mistake"),
        }
    }

    /// The fields of every item type, in the order of the file, as stores are told them.
    pub fn schemas(&self) -> Vec<TypeSchema> {
        check::schemas(&self.parsers)
    }
}

fn read(root: &Table<'_>, text: &str, built_in: &[&str], findings: &mut Findings<'_>) -> Option<Spider> {
    root.only(&KEYS, findings);
    let name = root.required("name", "what to call the crawl, such as `name = \"quotes\"`", findings).and_then(|entry| {
        let name = entry.string(findings)?;
        CrawlName::new(name).map_err(|error| entry.mistake(findings, error.to_string())).ok()
    });
    let written_seeds = root.get("seeds").map(|entry| seeds(&entry, findings)).unwrap_or_default();
    let scope = root.get("scope").and_then(|entry| scope(&entry, findings)).unwrap_or_default();
    let worker_parsers = worker_parsers(root, findings);
    let parsers_entry = root.required("parsers", "at least one parser, such as `[parsers.page-of-quotes]`", findings);
    let parsers_table = parsers_entry.and_then(|entry| entry.table(findings))?;
    let names = Names::new(&parsers_table, built_in, &worker_parsers);
    let mut parsers = BTreeMap::new();
    for (name, span, entry) in parsers_table.entries() {
        if built_in.contains(&name) || worker_parsers.iter().any(|known| known == name) {
            findings.mistake(&span, &entry.path, format!("`{name}` is a parser that workers bring along; choose another name"));
        }
        if let Some(rules) = parser(&entry, &names, findings) {
            parsers.insert(name.to_owned(), rules);
        }
    }
    if parsers_table.is_empty() {
        findings.mistake(&parsers_table.span, &parsers_table.path, "there must be at least one parser");
    }
    let start = start(root, &parsers_table, &names, findings);
    let mut seeds = Vec::new();
    for seed in written_seeds {
        let name = match (seed.parser, &start) {
            (Some((name, span, path)), _) => {
                names.check(&name, &span, &path, findings);
                if let Some(listed) = check::listed(&name, seed.args.get("parser").map(String::as_str)) {
                    names.check(listed, &span, &path, findings);
                }
                name
            }
            (None, Some(start)) => start.clone(),
            (None, None) => continue,
        };
        seeds.push(Seed { url: seed.url, parser: ParserRef { name, args: seed.args } });
    }
    check::reach(&parsers_table, &parsers, start.as_deref(), &seeds, findings);
    check::kinds(&parsers_table, &parsers, findings);
    let start = ParserRef { name: start?, args: Args::new() };
    let hash = SpiderHash::of(text.as_bytes());
    Some(Spider { name: name?, hash, seeds, start, scope, parsers, worker_parsers, warnings: Vec::new() })
}

fn worker_parsers(root: &Table<'_>, findings: &mut Findings<'_>) -> Vec<String> {
    let Some(entries) = root.get("worker-parsers").and_then(|entry| entry.array(findings)) else { return Vec::new() };
    entries.iter().filter_map(|entry| entry.string(findings).map(str::to_owned)).collect()
}

fn start(root: &Table<'_>, parsers: &Table<'_>, names: &Names<'_>, findings: &mut Findings<'_>) -> Option<String> {
    if let Some(entry) = root.get("start") {
        let name = entry.string(findings)?;
        return names.check(name, &entry.span(), &entry.path, findings).then(|| name.to_owned());
    }
    let mut all = parsers.entries().map(|(name, _, _)| name);
    match (all.next(), all.next()) {
        (Some(only), None) => Some(only.to_owned()),
        (None, _) => None,
        (Some(_), Some(_)) => {
            findings.mistake(&root.span, "start", "is missing: which of the parsers reads the seeds");
            None
        }
    }
}

fn parser(entry: &Entry<'_>, names: &Names<'_>, findings: &mut Findings<'_>) -> Option<ParserRules> {
    let table = entry.table(findings)?;
    table.only(&PARSER_KEYS, findings);
    let mut rules = ParserRules::default();
    for entry in table.get("links").and_then(|entry| entry.array(findings)).unwrap_or_default() {
        if let Some(rule) = link(&entry, findings) {
            if let Some(parser) = entry.table(findings).and_then(|table| table.get("parser")) {
                names.check(&rule.parser, &parser.span(), &parser.path, findings);
                if let Some(listed) = check::listed_by_link(&rule) {
                    names.check(listed, &parser.span(), &parser.path, findings);
                }
            }
            rules.links.push(rule);
        }
    }
    for entry in table.get("items").and_then(|entry| entry.array(findings)).unwrap_or_default() {
        rules.items.extend(item(&entry, findings));
    }
    if !table.has("links") && !table.has("items") {
        findings.mistake(&table.span, &table.path, "finds nothing: give it `links` or `items`, or use the parser `NilParser`");
    }
    Some(rules)
}
