//! Text as words: one segmentation for all stores, so that all find the same.
//!
//! A word is a run of letters and digits, in lower case. Chinese, Japanese and Korean do without spaces: a run of theirs becomes its pairs
//! of neighbours, and its last character alone. So a text of two and more characters is found as consecutive pairs, and one character as
//! the beginning of a pair.

/// Longest word in characters; what is longer is cut, in texts and queries alike.
pub(crate) const MAX_WORD: usize = 64;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Where it stands: first character, and the one after the last.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The words of a text in order, as an index has them.
pub(crate) fn segment(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().map(folded).collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_run(&chars, at);
        if end == at {
            at += 1;
        } else if is_ideograph(chars[at]) {
            for start in at..end {
                let last = (start + 2).min(end);
                tokens.push(Token { text: chars[start..last].iter().collect(), start, end: last });
            }
            at = end;
        } else {
            let word = chars[at..end].iter().take(MAX_WORD);
            tokens.push(Token { text: word.flat_map(|c| c.to_lowercase()).collect(), start: at, end });
            at = end;
        }
    }
    tokens
}

/// The words that must follow each other where a text that is looked for stands, and whether the last one is only the beginning of one.
pub(crate) fn sought(text: &str) -> (Vec<String>, bool) {
    let mut tokens = segment(text);
    let last_is_alone = tokens.last().is_some_and(|last| last.end - last.start == 1 && last.text.chars().all(is_ideograph));
    let is_prefix = last_is_alone && tokens.len() == 1;
    // What follows a run's last pair is not known.
    if last_is_alone && tokens.len() > 1 && tokens[tokens.len() - 2].end == tokens[tokens.len() - 1].end {
        tokens.pop();
    }
    (tokens.into_iter().map(|token| token.text).collect(), is_prefix)
}

/// The end of the run of one kind that begins here; the place itself where none begins.
fn end_of_run(chars: &[char], at: usize) -> usize {
    let kind = |c: &char| (c.is_alphanumeric(), is_ideograph(*c));
    let first = kind(&chars[at]);
    if !first.0 {
        return at;
    }
    at + chars[at..].iter().take_while(|c| kind(c) == first).count()
}

/// Full-width forms are those of ASCII.
fn folded(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    }
}

/// Scripts that are written without spaces between words.
fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        segment(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_are_runs_and_pairs() {
        assert_eq!(words("Hello, World-2 x_y"), ["hello", "world", "2", "x", "y"]);
        assert_eq!(words("已购房"), ["已购", "购房", "房"]);
        assert_eq!(words("iPhone手机壳 A"), ["iphone", "手机", "机壳", "壳", "a"]);
        assert_eq!(words("ＡＢＣ　１２"), ["abc", "12"]);
        assert_eq!(words("Straße ÉTÉ İ"), ["straße", "été", "i\u{307}"]);
        assert_eq!(words("--- !"), [""; 0]);
        assert_eq!(words(&"x".repeat(100))[0].len(), MAX_WORD);
    }

    #[test]
    fn what_is_sought_is_in_what_is_indexed() {
        assert_eq!(sought("已购房"), (vec!["已购".into(), "购房".into()], false));
        assert_eq!(sought("已购"), (vec!["已购".into()], false));
        assert_eq!(sought("房"), (vec!["房".into()], true));
        assert_eq!(sought("手机 word"), (vec!["手机".into(), "机".into(), "word".into()], false));
        assert_eq!(sought("word 房"), (vec!["word".into(), "房".into()], false));
        assert_eq!(sought("?!"), (vec![], false));
    }

    #[test]
    fn places_are_those_of_the_text() {
        let token = |text: &str, start, end| Token { text: text.to_owned(), start, end };
        assert_eq!(segment("a 已购房"), [token("a", 0, 1), token("已购", 2, 4), token("购房", 3, 5), token("房", 4, 5)]);
    }
}
