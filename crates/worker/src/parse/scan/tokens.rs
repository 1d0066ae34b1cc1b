//! The tags of a page as html5ever's tokenizer tells them: what [`super::written`] is held to.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use html5ever::buffer_queue::BufferQueue;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{self, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

use super::reading::{Content, Reading};
use super::tag::Tag;
use super::{PIECE, Scan};
use crate::parse::feed::in_pieces;
use crate::parse::{Allowance, ParseError};

/// Reads a page.
///
/// # Errors
/// [`ParseError::TooComplex`] when one tag or the whole takes too long.
pub(super) fn read(page: &str, allowance: &Allowance) -> Result<Scan<'static>, ParseError> {
    // The tokenizer would leave out the byte order mark at the beginning of every piece.
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() });
    let input = BufferQueue::default();
    let feed = |piece| {
        input.push_back(piece);
        while !matches!(tokenizer.feed(&input), html5ever::TokenizerResult::Done) {}
    };
    in_pieces(page, allowance, PIECE, feed, || tokenizer.sink.tokens.get(), || Ok(()))?;
    tokenizer.end();
    Ok(tokenizer.sink.reading.into_inner().finish())
}

#[derive(Default)]
struct Sink {
    tokens: Cell<u64>,
    reading: RefCell<Reading<'static>>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        if !matches!(token, Token::ParseError(_)) {
            self.tokens.set(self.tokens.get() + 1);
        }
        let mut reading = self.reading.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => match reading.start(&tag) {
                Content::Markup => TokenSinkResult::Continue,
                Content::Rcdata => TokenSinkResult::RawData(RawKind::Rcdata),
                Content::Rawtext => TokenSinkResult::RawData(RawKind::Rawtext),
                Content::Script => TokenSinkResult::RawData(RawKind::ScriptData),
                Content::Plaintext => TokenSinkResult::Plaintext,
            },
            Token::TagToken(tag) => {
                reading.end(&tag.name);
                TokenSinkResult::Continue
            }
            Token::CharacterTokens(text) => {
                reading.text(&text);
                TokenSinkResult::Continue
            }
            Token::DoctypeToken(_) | Token::CommentToken(_) | Token::NullCharacterToken | Token::EOFToken | Token::ParseError(_) => {
                TokenSinkResult::Continue
            }
        }
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.reading.borrow().is_foreign()
    }
}

impl Tag<'static> for tokenizer::Tag {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_self_closing(&self) -> bool {
        self.self_closing
    }

    fn attributes<const N: usize>(&self, names: [&str; N]) -> [Option<Cow<'static, str>>; N] {
        names.map(|name| {
            let found = self.attrs.iter().find(|attribute| &*attribute.name.local == name);
            found.map(|attribute| Cow::Owned(attribute.value.to_string()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_that_is_repeated_is_no_progress() {
        let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
        let input = BufferQueue::default();
        input.push_back("<p a=1 a=2 a=3 a=4 b b b ".into());
        let _ = tokenizer.feed(&input);
        assert_eq!(tokenizer.sink.tokens.get(), 0);
    }
}
