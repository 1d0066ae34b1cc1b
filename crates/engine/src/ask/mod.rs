//! What people ask of a crawl, running or stopped, and what is answered: values that are JSON on the way and text for a person in the end.

use serde::{Deserialize, Serialize};

/// A question about a crawl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// The whole story of a URL, as it was typed.
    Why {
        /// The URL.
        url: String,
    },
    /// How the crawl stands.
    Status,
    /// What was given up.
    Dead {
        /// For this reason only.
        reason: Option<String>,
        /// At most so many of each kind.
        limit: usize,
    },
    /// Queue again what was given up.
    Requeue {
        /// For this reason only.
        reason: Option<String>,
    },
}
