//! Why a page could not be parsed.

use model::error::{RetryClass, WireError, code};
use thiserror::Error;

/// What a parser says instead of what it found. Each makes the page a dead letter: parsing it again would end the same way.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// No parser of this name, in the spider or in the worker.
    #[error("no parser is called {0:?}")]
    UnknownParser(String),
    /// An argument is missing, unknown or has a value that cannot be used.
    #[error("{0}")]
    InvalidArg(String),
    /// The page is deeper or larger than is parsed, or takes longer.
    #[error("{0}")]
    TooComplex(String),
    /// The parser's own reason.
    #[error("{0}")]
    Failed(String),
    /// The parser panicked.
    #[error("{0}")]
    Panicked(String),
}

impl From<ParseError> for WireError {
    fn from(error: ParseError) -> WireError {
        let code = match &error {
            ParseError::UnknownParser(_) => code::UNKNOWN_PARSER,
            ParseError::InvalidArg(_) => code::INVALID_ARG,
            ParseError::TooComplex(_) => "page too complex",
            ParseError::Failed(_) => "parser error",
            ParseError::Panicked(_) => "parser panicked",
        };
        WireError::new(code, RetryClass::Dead, error.to_string())
    }
}
