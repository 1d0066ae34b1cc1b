//! Text as a person reads it: white space collapsed, entities decoded.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use html5ever::buffer_queue::BufferQueue;
use html5ever::tokenizer::{Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

use super::feed::in_pieces;
use super::{Allowance, ParseError};

/// How much is read between two looks at the clock.
const PIECE: usize = 16 * 1024;

/// Builds text in which every run of white space is one space, without any at its ends.
#[derive(Debug, Default)]
pub(crate) struct Collapsed {
    text: String,
    gap: bool,
}

impl Collapsed {
    pub(crate) fn push(&mut self, more: &str) {
        for (n, word) in more.split(char::is_whitespace).enumerate() {
            self.gap |= n > 0;
            if !word.is_empty() {
                if self.gap && !self.text.is_empty() {
                    self.text.push(' ');
                }
                self.gap = false;
                self.text.push_str(word);
            }
        }
    }

    /// What follows is another word.
    pub(crate) fn separate(&mut self) {
        self.gap = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

pub(crate) fn collapse(text: &str) -> String {
    let mut collapsed = Collapsed::default();
    collapsed.push(text);
    collapsed.finish()
}

/// The text of a piece of HTML: entities decoded, tags and comments taken out, white space collapsed.
///
/// # Errors
/// [`ParseError::TooComplex`] when one tag or the whole page takes too long.
pub(crate) fn of_html(html: &str, allowance: &Allowance) -> Result<String, ParseError> {
    allowance.visit(html)?;
    if !html.contains(['&', '<']) {
        return Ok(collapse(html));
    }
    let input = BufferQueue::default();
    let tokenizer = Tokenizer::new(Texts::default(), TokenizerOpts::default());
    let feed = |piece| {
        input.push_back(piece);
        while !matches!(tokenizer.feed(&input), html5ever::TokenizerResult::Done) {}
    };
    in_pieces(html, allowance, PIECE, feed, || tokenizer.sink.tokens.get(), || Ok(()))?;
    tokenizer.end();
    Ok(tokenizer.sink.text.into_inner().finish())
}

/// An attribute's value as HTML writes it, decoded.
///
/// # Errors
/// As [`of_html`].
pub(crate) fn of_attribute<'v>(value: &'v str, allowance: &Allowance) -> Result<Cow<'v, str>, ParseError> {
    if value.contains('&') { of_html(&value.replace('<', "&lt;"), allowance).map(Cow::Owned) } else { Ok(Cow::Borrowed(value)) }
}

#[derive(Default)]
struct Texts {
    text: RefCell<Collapsed>,
    tokens: Cell<u64>,
}

impl TokenSink for Texts {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        if !matches!(token, Token::ParseError(_)) {
            self.tokens.set(self.tokens.get() + 1);
        }
        match token {
            Token::CharacterTokens(text) => self.text.borrow_mut().push(&text),
            Token::DoctypeToken(_)
            | Token::TagToken(_)
            | Token::CommentToken(_)
            | Token::NullCharacterToken
            | Token::EOFToken
            | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn html_becomes_the_text_a_person_reads() {
        let allowance = Allowance::default();
        for (html, text) in [
            (" a  b\n", "a b"),
            ("IT &amp; 互联网", "IT & 互联网"),
            ("Momo&#39;s <b>松果</b>", "Momo's 松果"),
            ("a&nbsp;b", "a b"),
            ("1 &lt; 2", "1 < 2"),
            ("", ""),
            ("<br>", ""),
        ] {
            assert_eq!(of_html(html, &allowance).unwrap(), text, "{html:?}");
        }
        assert_eq!(of_attribute("/a?b=1&amp;c=2", &allowance).unwrap(), "/a?b=1&c=2");
        assert_eq!(of_attribute("/a?b=<x>&amp;c", &allowance).unwrap(), "/a?b=<x>&c");
    }

    #[test]
    fn html_is_read_no_longer_than_its_page_may_be() {
        assert!(matches!(of_html("<p>x", &Allowance::spent()), Err(ParseError::TooComplex(_))));
        let long = format!("{}<b>&amp;</b>", "x &lt; ".repeat(PIECE));
        assert!(of_html(&long, &Allowance::default()).unwrap().ends_with("x < &"));
    }

    proptest! {
        #[test]
        fn pieces_collapse_as_the_whole_does(pieces in proptest::collection::vec("[ab \n]{0,5}", 0..6)) {
            let mut collapsed = Collapsed::default();
            for piece in &pieces {
                collapsed.push(piece);
            }
            let whole = pieces.concat();
            prop_assert_eq!(collapsed.finish(), whole.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}
