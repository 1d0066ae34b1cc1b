//! Text as a person reads it: white space collapsed, entities decoded.

use std::borrow::Cow;
use std::cell::RefCell;

use html5ever::buffer_queue::BufferQueue;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

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
pub(crate) fn of_html(html: &str) -> String {
    if !html.contains(['&', '<']) {
        return collapse(html);
    }
    let sink = Texts::default();
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner().finish()
}

/// An attribute's value as HTML writes it, decoded.
pub(crate) fn of_attribute(value: &str) -> Cow<'_, str> {
    if value.contains('&') { Cow::Owned(of_html(&value.replace('<', "&lt;"))) } else { Cow::Borrowed(value) }
}

#[derive(Default)]
struct Texts(RefCell<Collapsed>);

impl TokenSink for Texts {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        match token {
            Token::CharacterTokens(text) => self.0.borrow_mut().push(&text),
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
        for (html, text) in [
            (" a  b\n", "a b"),
            ("IT &amp; 互联网", "IT & 互联网"),
            ("Momo&#39;s <b>松果</b>", "Momo's 松果"),
            ("a&nbsp;b", "a b"),
            ("1 &lt; 2", "1 < 2"),
            ("", ""),
            ("<br>", ""),
        ] {
            assert_eq!(of_html(html), text, "{html:?}");
        }
        assert_eq!(of_attribute("/a?b=1&amp;c=2"), "/a?b=1&c=2");
        assert_eq!(of_attribute("/a?b=<x>&amp;c"), "/a?b=<x>&c");
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
