//! The language of queries.
//!
//! ```text
//! 杭州 已购房              both words, anywhere
//! "senior engineer"        words that follow each other
//! Occupation:工程师        a word in a field; home.city:x for a field within a field
//! Occupation:(教师 OR "software engineer")
//! Age:(<30)   Age:>=18   Height:([178 TO 185])   Price:{1 TO *]   Age:30
//! Type:zhenai   Id:108906739   Url:http://…   Crawl:name
//! Gender:女 AND (Age:<25 OR Age:>60) NOT House:租房   -租房
//! ```
//!
//! Words side by side are all meant, as with `AND`; `OR` binds weaker, `NOT` and `-` stronger. Upper and lower case of words and fields are
//! the same; of `AND`, `OR`, `NOT` and `TO` only upper case counts. `[ ]` includes its ends, `{ }` does not, `*` is open. `Payload.` before a
//! field means the payload's field even where it is called `Type`. What has no letter and no digit looks for nothing and is passed over.

use model::search::QueryMistake;

use super::entries::Attribute;
use super::query::{Bound, Bounds, Field, Query, Text};
use super::segment::sought;

/// Parentheses within parentheses, and `NOT` before them. SQLite's word index takes some 15, Elasticsearch 30 conditions within each other.
pub(crate) const MAX_DEPTH: usize = 10;

/// Words, phrases and ranges of a query.
const MAX_TERMS: usize = 200;

/// Reads a query. Empty: everything.
///
/// # Errors
/// The first mistake, with its place.
pub(crate) fn parse(text: &str) -> Result<Query, QueryMistake> {
    let mut parser = Parser { chars: text.chars().collect(), at: 0, terms: 0 };
    parser.skip_space();
    if parser.at == parser.chars.len() {
        return Ok(Query::All);
    }
    let query = parser.alternatives(&Context { field: None, depth: 0 })?;
    match parser.peek() {
        None => Ok(query.unwrap_or(Query::All)),
        Some(_) => Err(parser.mistake(parser.at, "this closes nothing: its opening parenthesis is missing")),
    }
}

/// What a part of a query is about.
#[derive(Clone)]
struct Context {
    field: Option<FieldName>,
    depth: usize,
}

#[derive(Clone)]
enum FieldName {
    Attribute(Attribute),
    Payload(Field),
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    terms: usize,
}

/// `None` where nothing is looked for.
type Parsed = Result<Option<Query>, QueryMistake>;

impl Parser {
    fn alternatives(&mut self, context: &Context) -> Parsed {
        let mut all = vec![self.conjunction(context)?];
        while self.keyword("OR") {
            all.push(self.conjunction(context)?);
        }
        Ok(joined(all.into_iter().flatten().collect(), Query::Or))
    }

    fn conjunction(&mut self, context: &Context) -> Parsed {
        let mut all = vec![self.negation(context)?];
        loop {
            if self.keyword("AND") {
                all.push(self.negation(context)?);
                continue;
            }
            self.skip_space();
            match self.peek() {
                None | Some(')') => break,
                Some(_) if self.is_keyword("OR") => break,
                Some(_) => all.push(self.negation(context)?),
            }
        }
        Ok(joined(all.into_iter().flatten().collect(), Query::And))
    }

    fn negation(&mut self, context: &Context) -> Parsed {
        self.skip_space();
        let start = self.at;
        let is_dash = self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|c| !c.is_whitespace() && *c != ')' && *c != '-');
        // In a field a dash before a digit is a number's sign.
        let is_sign = context.field.is_some() && self.chars.get(self.at + 1).is_some_and(char::is_ascii_digit);
        if self.keyword("NOT") || (is_dash && !is_sign) {
            if is_dash {
                self.at += 1;
            }
            if context.depth >= MAX_DEPTH {
                return Err(self.mistake(start, "too deep: at most 10 parentheses or NOT within each other"));
            }
            let negated = self.negation(&Context { depth: context.depth + 1, ..context.clone() })?;
            return Ok(negated.map(|query| Query::Not(Box::new(query))));
        }
        self.primary(context)
    }

    fn primary(&mut self, context: &Context) -> Parsed {
        self.skip_space();
        let start = self.at;
        match self.peek() {
            None => Err(self.mistake(start, "something is missing at the end")),
            Some(')') => Err(self.mistake(start, "something is missing before this parenthesis")),
            Some('(') => self.group(context),
            Some('"') => {
                let text = self.quoted()?;
                self.text(context, start, &text)
            }
            Some('<' | '>' | '[' | '{') if context.field.is_some() => self.range(context),
            Some(_) if self.is_keyword("AND") || self.is_keyword("OR") => Err(self.mistake(start, "something is missing before this word")),
            Some(_) => match context.field {
                None => self.word_or_field(context),
                Some(_) => {
                    let word = self.word();
                    self.text(context, start, &word)
                }
            },
        }
    }

    /// Counts what is looked for.
    fn count(&mut self, start: usize) -> Result<(), QueryMistake> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.mistake(start, "too long: at most 200 words, phrases and ranges"));
        }
        Ok(())
    }

    fn group(&mut self, context: &Context) -> Parsed {
        let start = self.at;
        if context.depth >= MAX_DEPTH {
            return Err(self.mistake(start, "too deep: at most 10 parentheses or NOT within each other"));
        }
        self.at += 1;
        let query = self.alternatives(&Context { depth: context.depth + 1, ..context.clone() })?;
        self.skip_space();
        if self.peek() != Some(')') {
            return Err(self.mistake(start, "this parenthesis is not closed"));
        }
        self.at += 1;
        Ok(query)
    }

    fn word_or_field(&mut self, context: &Context) -> Parsed {
        let start = self.at;
        let Some(name) = self.field_name() else {
            let word = self.word();
            return self.text(context, start, &word);
        };
        let field = match name.to_lowercase().as_str() {
            "type" => FieldName::Attribute(Attribute::Type),
            "id" => FieldName::Attribute(Attribute::Id),
            "url" => FieldName::Attribute(Attribute::Url),
            "crawl" => FieldName::Attribute(Attribute::Crawl),
            lower => {
                let name = if lower.starts_with("payload.") { name.chars().skip("payload.".len()).collect() } else { name };
                FieldName::Payload(Field { name })
            }
        };
        self.skip_space();
        if matches!(self.peek(), None | Some(')')) {
            return Err(self.mistake(self.at, "a field needs a value, such as Age:30 or Age:(<30)"));
        }
        self.primary(&Context { field: Some(field), depth: context.depth })
    }

    /// A name with its colon, if there is one here. `http://…` is none.
    fn field_name(&mut self) -> Option<String> {
        let allowed = |c: &&char| c.is_alphanumeric() || matches!(**c, '_' | '.' | '-');
        let length = self.chars[self.at..].iter().take_while(allowed).count();
        let colon = self.at + length;
        if length == 0 || self.chars.get(colon) != Some(&':') || self.chars[colon + 1..].starts_with(&['/', '/']) {
            return None;
        }
        let name = self.chars[self.at..colon].iter().collect();
        self.at = colon + 1;
        Some(name)
    }

    fn text(&mut self, context: &Context, start: usize, text: &str) -> Parsed {
        self.count(start)?;
        let field = match &context.field {
            Some(FieldName::Attribute(attribute)) => return Ok(Some(Query::Exact(*attribute, text.to_owned()))),
            Some(FieldName::Payload(field)) => Some(field.clone()),
            None => None,
        };
        if let (Some(field), Ok(number)) = (&field, text.parse::<f64>())
            && number.is_finite()
            && self.chars[start] != '"'
        {
            let bounds = Bounds { low: Bound::Including(number), high: Bound::Including(number) };
            let number = Query::Number(field.clone(), bounds);
            return Ok(Some(match words(Some(field.clone()), text) {
                // A text of digits is found as well.
                Some(text) => Query::Or(vec![number, text]),
                None => number,
            }));
        }
        Ok(words(field, text))
    }

    /// `<30`, `>=18`, `[178 TO 185]`.
    fn range(&mut self, context: &Context) -> Parsed {
        let start = self.at;
        self.count(start)?;
        let Some(FieldName::Payload(field)) = &context.field else {
            return Err(self.mistake(start, "only numbers of the payload have a range"));
        };
        let bounds = match self.peek() {
            Some(sign @ ('<' | '>')) => {
                self.at += 1;
                let including = self.peek() == Some('=');
                if including {
                    self.at += 1;
                }
                self.skip_space();
                let number = self.number()?;
                let bound = if including { Bound::Including(number) } else { Bound::Excluding(number) };
                match sign {
                    '<' => Bounds { low: Bound::Open, high: bound },
                    _ => Bounds { low: bound, high: Bound::Open },
                }
            }
            _ => self.interval()?,
        };
        Ok(Some(Query::Number(field.clone(), bounds)))
    }

    fn interval(&mut self) -> Result<Bounds, QueryMistake> {
        let start = self.at;
        let bound = |number: Option<f64>, including: bool| match number {
            None => Bound::Open,
            Some(number) if including => Bound::Including(number),
            Some(number) => Bound::Excluding(number),
        };
        let includes_low = self.peek() == Some('[');
        self.at += 1;
        let low = self.number_or_star()?;
        if !self.keyword("TO") {
            return Err(self.mistake(self.at, "a range is written [178 TO 185]: TO is missing here"));
        }
        let high = self.number_or_star()?;
        self.skip_space();
        let includes_high = match self.peek() {
            Some(']') => true,
            Some('}') => false,
            _ => return Err(self.mistake(start, "this range is not closed: it ends with ] or }")),
        };
        self.at += 1;
        Ok(Bounds { low: bound(low, includes_low), high: bound(high, includes_high) })
    }

    fn number_or_star(&mut self) -> Result<Option<f64>, QueryMistake> {
        self.skip_space();
        if self.peek() == Some('*') {
            self.at += 1;
            return Ok(None);
        }
        self.number().map(Some)
    }

    fn number(&mut self) -> Result<f64, QueryMistake> {
        let start = self.at;
        let allowed = |c: &&char| c.is_ascii_digit() || matches!(**c, '-' | '+' | '.' | 'e' | 'E');
        let length = self.chars[start..].iter().take_while(allowed).count();
        let text: String = self.chars[start..start + length].iter().collect();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.at += length;
                Ok(number)
            }
            Ok(_) | Err(_) => Err(self.mistake(start, "a number is missing here")),
        }
    }

    fn quoted(&mut self) -> Result<String, QueryMistake> {
        let start = self.at;
        let mut text = String::new();
        let mut rest = self.chars[start + 1..].iter().enumerate();
        while let Some((at, c)) = rest.next() {
            match c {
                '"' => {
                    self.at = start + at + 2;
                    return Ok(text);
                }
                // What follows a backslash is itself.
                '\\' => text.extend(rest.next().map(|(_, c)| c)),
                c => text.push(*c),
            }
        }
        Err(self.mistake(start, "this quotation mark has no partner"))
    }

    /// Everything up to a space or what means something.
    fn word(&mut self) -> String {
        let length = self.chars[self.at..].iter().take_while(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"')).count();
        let word = self.chars[self.at..self.at + length].iter().collect();
        self.at += length;
        word
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        let end = self.at + keyword.len();
        let stands = self.chars.get(self.at..end).is_some_and(|chars| chars.iter().copied().eq(keyword.chars()));
        stands && self.chars.get(end).is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')' | '"'))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        self.skip_space();
        let found = self.is_keyword(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    fn mistake(&self, at: usize, message: &str) -> QueryMistake {
        QueryMistake { at, message: message.to_owned() }
    }
}

fn words(field: Option<Field>, text: &str) -> Option<Query> {
    let (words, is_prefix) = sought(text);
    (!words.is_empty()).then_some(Query::Text(Text { field, words, is_prefix }))
}

fn joined(mut queries: Vec<Query>, join: impl Fn(Vec<Query>) -> Query) -> Option<Query> {
    if queries.len() > 1 { Some(join(queries)) } else { queries.pop() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A query in a form that shows how it was understood.
    fn shown(query: &Query) -> String {
        let each = |queries: &[Query], word: &str| queries.iter().map(shown).collect::<Vec<_>>().join(&format!(" {word} "));
        match query {
            Query::All => "everything".to_owned(),
            Query::And(queries) => format!("({})", each(queries, "&")),
            Query::Or(queries) => format!("({})", each(queries, "|")),
            Query::Not(query) => format!("!{}", shown(query)),
            Query::Text(Text { field, words, is_prefix }) => {
                let field = field.as_ref().map_or(String::new(), |field| format!("{}:", field.name));
                format!("{field}{}{}", words.join("+"), if *is_prefix { "…" } else { "" })
            }
            Query::Number(field, Bounds { low, high }) => {
                let end = |bound: &Bound| match bound {
                    Bound::Open => "*".to_owned(),
                    Bound::Including(number) => format!("={number}"),
                    Bound::Excluding(number) => number.to_string(),
                };
                format!("{}:{}..{}", field.name, end(low), end(high))
            }
            Query::Exact(attribute, value) => format!("{attribute:?}={value}"),
        }
    }

    #[test]
    fn queries_are_understood() {
        for (text, expected) in [
            ("", "everything"),
            ("  ", "everything"),
            ("Hello", "hello"),
            ("a b c", "(a & b & c)"),
            ("a AND b OR c d", "((a & b) | (c & d))"),
            ("a (b OR c)", "(a & (b | c))"),
            ("NOT a -b", "(!a & !b)"),
            ("NOT NOT a", "!!a"),
            ("\"two words\" one-word", "(two+words & one+word)"),
            ("已购房 房", "(已购+购房 & 房…)"),
            ("Name:x", "Name:x"),
            ("Name:\"a b\"", "Name:a+b"),
            ("Payload.Age:x Payload.Type:x", "(Age:x & Type:x)"),
            ("home.city:(a OR \"b c\")", "(home.city:a | home.city:b+c)"),
            ("MaxSpeed:>200", "MaxSpeed:200..*"),
            ("Age:(<30)", "Age:*..30"),
            ("Age:(>=18 AND <30)", "(Age:=18..* & Age:*..30)"),
            ("Height:([178 TO 185])", "Height:=178..=185"),
            ("Price:{-1.5 TO *]", "Price:-1.5..*"),
            ("Age:30", "(Age:=30..=30 | Age:30)"),
            ("T:-5", "(T:=-5..=-5 | T:5)"),
            ("Type:zhenai type:(a OR b)", "(Type=zhenai & (Type=a | Type=b))"),
            ("Id:\"a \\\" b\\\\\"", "Id=a \" b\\"),
            ("Url:http://h/a?b=c:d Id:7", "(Url=http://h/a?b=c:d & Id=7)"),
            ("http://h/a", "http+h+a"),
            ("and or not", "(and & or & not)"),
            ("ANDROID ORBIT", "(android & orbit)"),
            ("a -- b !!!", "(a & b)"),
            ("'; DROP TABLE items; --", "(drop & table & items)"),
            ("{\"query\": 1}", "(query & 1)"),
            ("***", "everything"),
        ] {
            assert_eq!(parse(text).map(|query| shown(&query)), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, at, message) in [
            ("a (b", 2, "this parenthesis is not closed"),
            ("a b)", 3, "this closes nothing"),
            ("a ()", 3, "something is missing before this parenthesis"),
            ("安静 \"b", 3, "this quotation mark has no partner"),
            ("a AND", 5, "something is missing at the end"),
            ("OR a", 0, "something is missing before this word"),
            ("Age:", 4, "a field needs a value"),
            ("(Age: )", 6, "a field needs a value"),
            ("Age:(<x)", 6, "a number is missing here"),
            ("Age:[1 2]", 7, "TO is missing here"),
            ("Age:[1 TO 2", 4, "this range is not closed"),
            ("Type:<3", 5, "only numbers of the payload have a range"),
        ] {
            let mistake = parse(text).unwrap_err();
            assert!(mistake.message.contains(message), "{text}: {}", mistake.message);
            assert_eq!(mistake.at, at, "{text}");
        }
        assert_eq!(parse(&"(".repeat(1000)).unwrap_err().message, "too deep: at most 10 parentheses or NOT within each other");
        assert_eq!(parse(&"NOT ".repeat(1000)).unwrap_err().message, "too deep: at most 10 parentheses or NOT within each other");
        assert_eq!(parse(&"a ".repeat(201)).unwrap_err().message, "too long: at most 200 words, phrases and ranges");
    }

    proptest! {
        /// Whatever is written is a query or a mistake within it.
        #[test]
        fn nothing_that_is_written_is_too_much(text in "[ a已房:()\\[\\]{}\"<>=*TON ARD0-9.-]{0,40}") {
            if let Err(mistake) = parse(&text) {
                prop_assert!(mistake.at <= text.chars().count());
            }
        }
    }
}
