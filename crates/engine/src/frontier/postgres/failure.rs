//! What an error of a database means: whether it passes by itself.

use std::error::Error;
use std::io;

use tokio_postgres::error::SqlState;

/// An error, by what the caller can do.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server is away, starting, full or busy: the same may succeed later, perhaps over another connection.
    Passing(String),
    /// The same again comes to the same.
    Lasting(String),
}

impl Failure {
    /// What an error means.
    pub(super) fn of(error: &tokio_postgres::Error) -> Failure {
        let Some(told) = error.as_db_error() else {
            let sentence = sentence(error);
            // Closed, late, or cut off. Everything else is about what was to be said, such as a password that is not there.
            let passes = match error.source().map(|cause| cause.downcast_ref::<io::Error>()) {
                None => true,
                Some(Some(cause)) => cause.kind() != io::ErrorKind::InvalidInput,
                Some(None) => false,
            };
            return if passes { Failure::Passing(sentence) } else { Failure::Lasting(sentence) };
        };
        let sentence = format!("{} ({})", told.message(), told.code().code());
        if is_passing(told.code()) { Failure::Passing(sentence) } else { Failure::Lasting(sentence) }
    }
}

/// Errors of the connection (08), of a server that stops or starts (57), of one that has no room (53), conflicts between transactions (40),
/// a lock that was not to be had, and a standby of the database that takes no writes yet.
fn is_passing(code: &SqlState) -> bool {
    let code = code.code();
    ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class)) || matches!(code, "55P03" | "25006")
}

/// The innermost causes say what happened.
fn sentence(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_tried_again_and_a_mistake_is_not() {
        for (code, passes) in [
            (SqlState::T_R_DEADLOCK_DETECTED, true),
            (SqlState::T_R_SERIALIZATION_FAILURE, true),
            (SqlState::ADMIN_SHUTDOWN, true),
            (SqlState::CANNOT_CONNECT_NOW, true),
            (SqlState::TOO_MANY_CONNECTIONS, true),
            (SqlState::DISK_FULL, true),
            (SqlState::READ_ONLY_SQL_TRANSACTION, true),
            (SqlState::INVALID_PASSWORD, false),
            (SqlState::UNDEFINED_TABLE, false),
            (SqlState::INSUFFICIENT_PRIVILEGE, false),
        ] {
            assert_eq!(is_passing(&code), passes, "{}", code.code());
        }
    }
}
