//! What is wrong in a spider file is all said at once, with its line and what would be right.

use proptest::prelude::*;
use spider::Spider;

const BUILT_IN: [&str; 2] = ["page", "NilParser"];

fn mistakes(text: &str) -> Vec<String> {
    match Spider::parse(text, &BUILT_IN) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.in_file("s.toml").to_string().lines().map(str::to_owned).collect(),
    }
}

const SOUND: &str = r#"name = "quotes"
seeds = ["http://quotes.example/"]
start = "list"
[parsers.list]
links = [
    { css = ".author a", parser = "author", args = { name = "text" } },
    { css = ".next a", parser = "list" },
]
[[parsers.list.items]]
type = "quote"
each = "div.quote"
fields.text = "span.text"
fields.year = { css = ".date", as = "integer" }
[[parsers.author.items]]
type = "author"
id = { url = '/author/([^/]+)' }
fields.name = { arg = "name", or = "h1" }
"#;

#[test]
fn an_attribute_of_what_is_no_element_is_a_mistake() {
    let sound = "fields.year = { css = \".date\", as = \"integer\" }";
    for (rule, kind) in [("url = '/([0-9]+)'", "url"), ("arg = 'name'", "arg"), ("const = 5", "const")] {
        let within_each = SOUND.replace(sound, &format!("fields.year = {{ {rule}, attr = 'title' }}"));
        let on_page = SOUND.replace("fields.name = {", &format!("fields.other = {{ {rule}, attr = 'title' }}\nfields.name = {{"));
        for text in [within_each, on_page] {
            let told = mistakes(&text);
            let expected = format!("has an `attr`, which is of an element, with `{kind}`, which looks at none");
            assert_eq!(told.iter().filter(|line| line.contains(&expected)).count(), 1, "{told:?}");
        }
    }
}

#[test]
fn a_sound_file_has_no_mistakes_and_no_warnings() {
    assert_eq!(mistakes(SOUND), [""; 0]);
    let spider = Spider::parse(SOUND, &BUILT_IN).unwrap();
    assert_eq!(spider.warnings, []);
    assert_eq!(spider.name.as_str(), "quotes");
    assert_eq!(spider.seeds[0].parser.name, "list");
    let schemas = spider.schemas();
    let fields: Vec<Vec<&str>> = schemas.iter().map(|schema| schema.fields.iter().map(|field| field.name.as_str()).collect()).collect();
    assert_eq!(schemas[0].item_type, "author");
    assert_eq!(fields, [vec!["name"], vec!["text", "year"]]);
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_their_lines() {
    let text = r#"name = "bad name"
seeds = ["quotes.example", 7]
strat = "list"
start = "lst"
[scope]
hosts = ["http://a.example/"]
max-depth = -1
[parsers.list]
link = []
links = [
    { css = "a[", parser = "author" },
    { css = "a", parser = "nobody" },
    { url = "(", parser = "list" },
    { regex = "href", parser = "list" },
]
[[parsers.list.items]]
fields.a = { regex = "no group" }
fields.b = { css = "b", as = "int" }
fields.c = { css = "c", url = "(d)" }
fields.d = {}
[[parsers.author.items]]
type = "author"
fields = {}
"#;
    let expected = [
        "s.toml:1: name: \"bad name\" cannot name a crawl",
        "s.toml:2: seeds[0]: `quotes.example` is no URL to begin with: not a URL: relative URL without a base; did you mean https://quotes.example/ ?",
        "s.toml:2: seeds[1]: is a TOML integer, expected a URL or a table",
        "s.toml:3: strat: unknown key; did you mean `start`?",
        "s.toml:4: start: unknown parser name `lst`; did you mean `list`?",
        "s.toml:6: scope.hosts[0]: `http://a.example/` is no host name",
        "s.toml:7: scope.max-depth: must be a number of links",
        "s.toml:9: parsers.list.link: unknown key; did you mean `links`?",
        "s.toml:11: parsers.list.links[0].css: `a[` is no CSS selector",
        "s.toml:12: parsers.list.links[1].parser: unknown parser name `nobody`; there are `list`, `author`, `page`, `NilParser`",
        "s.toml:13: parsers.list.links[2].url: is no regular expression: unclosed group",
        "s.toml:14: parsers.list.links[3].regex: has no group",
        "s.toml:16: parsers.list.items[0].type: is missing",
        "s.toml:17: parsers.list.items[0].fields.a.regex: has no group",
        "s.toml:18: parsers.list.items[0].fields.b.as: `int` is no conversion; there are `text`",
        "s.toml:19: parsers.list.items[0].fields.c: gives css and url at once",
        "s.toml:20: parsers.list.items[0].fields.d: says not where to find the value",
        "s.toml:23: parsers.author.items[0].fields: is empty",
    ];
    let found = mistakes(text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn one_mistake_in_a_sound_file_is_the_only_one_told() {
    for (from, to, expected) in [
        ("name = \"quotes\"\n", "", "s.toml:1: name: is missing: what to call the crawl, such as `name = \"quotes\"`"),
        ("start = \"list\"\n", "", "s.toml:1: start: is missing: which of the parsers reads the seeds"),
        ("name = \"text\"", "name = \"txt\"", "s.toml:6: parsers.list.links[0].args.name: `txt` is neither"),
        ("name = \"text\"", "name = { group = 1 }", "s.toml:6: parsers.list.links[0].args.name.group: is a group of `regex`"),
        ("name = \"text\"", "name = { url-group = 1 }", "s.toml:6: parsers.list.links[0].args.name.url-group: is a group of `url`"),
        ("name = \"text\"", "name = { attr = 'a', const = 'b' }", "s.toml:6: parsers.list.links[0].args.name: takes exactly one"),
        ("'/author/([^/]+)'", "'/author/([^/]+)', group = 2", "s.toml:16: parsers.author.items[0].id.group: no group 2"),
        ("'/author/([^/]+)'", "'/author/([^/]+)', group = 'x'", "s.toml:16: parsers.author.items[0].id.group: no group of that name"),
        ("as = \"integer\"", "as = \"integer\", default = 'x'", "s.toml:13: parsers.list.items[0].fields.year.default: is a TOML string"),
        ("as = \"integer\"", "default = 'x', required = true", "s.toml:13: parsers.list.items[0].fields.year: has a `default` and"),
        (" or = \"h1\"", " or = { css = \"h1\", as = \"text\" }", "s.toml:17: parsers.author.items[0].fields.name.or.as: unknown key"),
        (" or = \"h1\"", " or = \":scope\"", "s.toml:17: parsers.author.items[0].fields.name.or: `:scope` is the element of `each`"),
        (
            "type = \"author\"",
            "type = \"quote\"\nfields.year = \"h2\"",
            "s.toml:16: parsers.author.items[0].fields.year: is text here and an integer",
        ),
        ("[parsers.list]", "[parsers.page]\n[parsers.list]", "s.toml:4: parsers.page:"),
        ("[parsers.list]", "[parsers.list", "s.toml:4: is no TOML: "),
        ("start = \"list\"", "start = \"list\"\nstart = \"author\"", "s.toml:4: is no TOML: duplicate key"),
    ] {
        assert!(SOUND.contains(from), "{from}");
        let found = mistakes(&SOUND.replacen(from, to, 1));
        assert!(found[0].starts_with(expected), "{from} -> {to}: {found:#?}");
        assert!(
            found.len() == 1 || found.iter().all(|mistake| mistake.contains("parsers.page") || mistake.contains("no TOML")),
            "{found:#?}"
        );
    }
}

#[test]
fn a_parser_that_nothing_leads_to_is_a_warning() {
    let text = format!("{SOUND}[[parsers.lost.items]]\ntype = \"t\"\nfields.a = \"b\"\n");
    let spider = Spider::parse(&text, &BUILT_IN).unwrap();
    assert_eq!(
        spider.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["18: parsers.lost: no seed and no link leads to this parser"]
    );
}

#[test]
fn a_sitemap_leads_to_the_parser_that_its_argument_names() {
    let with = |seed: &str, link: &str| {
        let found = format!("links = [{{ css = \"a\"{link} }}]");
        format!("name = \"s\"\nseeds = [{{ url = \"http://h/sitemap.xml\"{seed} }}]\nstart = \"page\"\n[parsers.article]\n{found}\n")
    };
    let article = ", parser = \"article\"";
    let told =
        |text: &str| Spider::parse(text, &["page", "sitemap"]).map(|spider| spider.warnings.len()).map_err(|errors| errors.to_string());
    assert_eq!(told(&with("", article)), Ok(1));
    assert_eq!(told(&with(", parser = \"sitemap\", args.parser = \"article\"", article)), Ok(0));
    let error = told(&with(", parser = \"sitemap\", args.parser = \"artikle\"", article)).unwrap_err();
    assert!(error.contains("unknown parser name `artikle`"), "{error}");
    let error = told(&with("", ", parser = \"sitemap\", args.parser = { const = \"artikle\" }")).unwrap_err();
    assert!(error.contains("unknown parser name `artikle`"), "{error}");
}

#[test]
fn parsers_of_the_workers_are_known_when_the_file_names_them() {
    let text = SOUND.replacen("css = \".next a\", parser = \"list\"", "css = \".next a\", parser = \"mine\"", 1);
    assert_eq!(mistakes(&text).len(), 1);
    assert_eq!(mistakes(&format!("worker-parsers = [\"mine\"]\n{text}")), [""; 0]);
}

#[test]
fn the_version_is_the_hash_of_the_bytes() {
    let one = Spider::parse(SOUND, &BUILT_IN).unwrap().hash;
    assert_eq!(one, model::SpiderHash::of(SOUND.as_bytes()));
    assert_ne!(one, Spider::parse(&format!("{SOUND}\n"), &BUILT_IN).unwrap().hash);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_check_panic(text in "\\PC{0,200}") {
        let _ = Spider::parse(&text, &BUILT_IN);
    }

    #[test]
    fn no_damage_to_a_sound_file_makes_the_check_panic(at in 0..SOUND.len(), length in 0usize..40, put in "[a-z=\\[\\]{}\"'0-9.,\n ]{0,6}") {
        let end = (at + length).min(SOUND.len());
        let text = format!("{}{put}{}", &SOUND[..at], &SOUND[end..]);
        if let Err(errors) = Spider::parse(&text, &BUILT_IN) {
            prop_assert!(!errors.mistakes().is_empty());
            prop_assert!(errors.mistakes().iter().all(|mistake| mistake.line >= 1 && mistake.line <= text.lines().count() + 1));
        }
    }
}
