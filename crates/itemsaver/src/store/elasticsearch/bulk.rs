//! Many documents in few requests: by count and bytes, answered one by one, and only what failed is sent again.

use std::collections::VecDeque;

use elasticsearch::http::Method;
use serde::Deserialize;

use super::client::{Backoff, Client, ServerError, Trouble};
use super::documents::DocumentId;

/// Bytes of a request from which on no document is added. Servers refuse 100 MB and advise 5 to 15.
pub(super) const MAX_BYTES: usize = 5 * 1024 * 1024;

/// One document to be written.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) id: DocumentId,
    /// The whole document on one line; `None` takes it away.
    pub(super) source: Option<String>,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is as it was sent.
    Done,
    /// The server has a newer one.
    Outdated,
    /// The server will never take it, for this reason.
    Refused(String),
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Operation>,
}

#[derive(Deserialize)]
enum Operation {
    #[serde(rename = "index")]
    Index(Outcome),
    #[serde(rename = "delete")]
    Delete(Outcome),
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<ServerError>,
}

/// Writes documents with one version: an older write never comes over a newer one, however late it arrives.
///
/// Answers in the order given once all of them have one. While the server is away or too busy, what failed is sent again.
///
/// # Errors
/// [`Trouble`] when patience is at its end; some may be written then.
pub(super) async fn write(client: &Client, alias: &str, version: u64, writes: &[Write]) -> Result<Vec<Written>, Trouble> {
    let mut answers: Vec<Option<Written>> = vec![None; writes.len()];
    let mut groups: VecDeque<Vec<usize>> = groups(writes, client.limits.bulk_documents).into();
    let mut backoff = Backoff::new(client.limits.write_patience);
    while let Some(group) = groups.pop_front() {
        let trouble = match send(client, alias, version, writes, &group).await {
            Ok(outcomes) => {
                let mut again = Vec::new();
                let mut trouble = String::new();
                for (at, outcome) in group.iter().zip(outcomes) {
                    match judge(outcome) {
                        Ok(written) => answers[*at] = Some(written),
                        Err(Trouble::Passing(reason)) => {
                            again.push(*at);
                            trouble = reason;
                        }
                        Err(trouble) => return Err(trouble),
                    }
                }
                if again.is_empty() {
                    backoff = Backoff::new(client.limits.write_patience);
                    continue;
                }
                groups.push_front(again);
                trouble
            }
            Err(Trouble::TooLarge) => {
                halve(&mut groups, group, &mut answers);
                continue;
            }
            Err(Trouble::Passing(reason)) => {
                groups.push_front(group);
                reason
            }
            Err(refused @ Trouble::Refused(..)) => return Err(refused),
        };
        if !backoff.pause().await {
            return Err(Trouble::Passing(trouble));
        }
        tracing::debug!(store = %client.store, reason = %trouble, "sent again");
    }
    Ok(answers.into_iter().map(|answer| answer.expect("no group is left")).collect())
}

/// Positions by request.
fn groups(writes: &[Write], most: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut bytes = MAX_BYTES;
    for (at, write) in writes.iter().enumerate() {
        let length = 128 + write.source.as_ref().map_or(0, String::len);
        match groups.last_mut() {
            Some(group) if bytes + length <= MAX_BYTES && group.len() < most => {
                group.push(at);
                bytes += length;
            }
            _ => {
                groups.push(vec![at]);
                bytes = length;
            }
        }
    }
    groups
}

/// A request that was too large becomes two; a document that is too large alone is refused.
fn halve(groups: &mut VecDeque<Vec<usize>>, mut group: Vec<usize>, answers: &mut [Option<Written>]) {
    if let [at] = group[..] {
        answers[at] = Some(Written::Refused("the server takes no document as large as that (413)".to_owned()));
        return;
    }
    let second = group.split_off(group.len() / 2);
    groups.push_front(second);
    groups.push_front(group);
}

async fn send(client: &Client, alias: &str, version: u64, writes: &[Write], group: &[usize]) -> Result<Vec<Outcome>, Trouble> {
    let mut body = String::new();
    for write in group.iter().map(|at| &writes[*at]) {
        let action = if write.source.is_some() { "index" } else { "delete" };
        let id = write.id.as_str();
        // Our ids are digits: nothing to escape.
        body.push_str(&format!("{{\"{action}\":{{\"_id\":\"{id}\",\"version\":{version},\"version_type\":\"external_gte\"}}}}\n"));
        if let Some(source) = &write.source {
            body.push_str(source);
            body.push('\n');
        }
    }
    // Without `require_alias` a server that has lost the index would make one, with guessed mappings.
    let answer = client.once(Method::Post, &format!("{alias}/_bulk"), &[("require_alias", "true")], &body).await?;
    let answer: Answer = client.read(&answer)?;
    if answer.items.len() != group.len() {
        return Err(Trouble::Passing(format!("{} answers to {} documents", answer.items.len(), group.len())));
    }
    let outcome = |operation| match operation {
        Operation::Index(outcome) | Operation::Delete(outcome) => outcome,
    };
    Ok(answer.items.into_iter().map(outcome).collect())
}

fn judge(outcome: Outcome) -> Result<Written, Trouble> {
    let Outcome { status, error } = outcome;
    match (status, error) {
        (409, _) => Ok(Written::Outdated),
        // Taking away what is not there is answered 404, without an error.
        (_, None) => Ok(Written::Done),
        (status, Some(error)) if error.is_passing(status) => Err(Trouble::Passing(format!("{} ({status})", error.reasons()))),
        (404, Some(error)) => Err(Trouble::Refused(404, error.reasons())),
        (_, Some(error)) => {
            let reasons = error.reasons();
            tracing::debug!(reason = %reasons, "refused");
            Ok(Written::Refused(of_any_document(&reasons)))
        }
    }
}

/// A reason without what is this document's alone, its name, its value and the place in its text, so that one reason for a thousand items is
/// counted and listed as one.
fn of_any_document(reason: &str) -> String {
    let place = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ':');
    let reason = match reason.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((text, rest)) if place(text) => rest,
        _ => reason,
    };
    reason.split_once(" in document with id ").map_or(reason, |(reason, _)| reason).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Outcome {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_document_has_its_own_answer() {
        assert_eq!(judge(outcome(r#"{"status":201}"#)), Ok(Written::Done));
        assert_eq!(judge(outcome(r#"{"status":404,"result":"not_found"}"#)), Ok(Written::Done));
        assert_eq!(judge(outcome(r#"{"status":409,"error":{"type":"version_conflict_engine_exception"}}"#)), Ok(Written::Outdated));
        let refused = r#"{"status":400,"error":{"type":"document_parsing_exception","reason":"[1:9] failed to parse field [payload.Age]",
            "caused_by":{"type":"illegal_argument_exception","reason":"For input string: \"abc\""}}}"#;
        let reason = "failed to parse field [payload.Age]: For input string: \"abc\"";
        assert_eq!(judge(outcome(refused)), Ok(Written::Refused(reason.to_owned())));
        let refused = r#"{"status":400,"error":{"type":"document_parsing_exception","reason":"[1:345] failed to parse field [payload.Age] of type
            [long] in document with id '12'. Preview of field's value: 'abc'","caused_by":{"type":"x","reason":"For input string: \"abc\""}}}"#
            .replace("\n            ", " ");
        assert_eq!(judge(outcome(&refused)), Ok(Written::Refused("failed to parse field [payload.Age] of type [long]".to_owned())));
        for busy in [
            r#"{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"busy"}}"#,
            r#"{"status":403,"error":{"type":"cluster_block_exception","reason":"disk full"}}"#,
            r#"{"status":503,"error":{"type":"unavailable_shards_exception"}}"#,
        ] {
            assert!(matches!(judge(outcome(busy)), Err(Trouble::Passing(_))), "{busy}");
        }
        let gone = r#"{"status":404,"error":{"type":"index_not_found_exception","reason":"no such index"}}"#;
        assert_eq!(judge(outcome(gone)), Err(Trouble::Refused(404, "no such index".to_owned())));
    }

    #[test]
    fn requests_are_bounded_by_count_and_bytes() {
        let write = |bytes: usize| Write { id: "0".to_owned().into(), source: Some("x".repeat(bytes)) };
        let lengths = |writes: &[Write]| groups(writes, 1000).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&vec![write(1); 2001]), [1000, 1000, 1]);
        assert_eq!(lengths(&[write(1), write(MAX_BYTES), write(2), write(MAX_BYTES / 2), write(MAX_BYTES / 2)]), [1, 1, 2, 1]);
        assert_eq!(lengths(&[]), [0; 0]);
    }

    #[test]
    fn what_is_too_large_is_halved_until_the_document_to_blame_is_alone() {
        let mut groups = VecDeque::from([vec![3]]);
        let mut answers = vec![None; 4];
        halve(&mut groups, vec![0, 1, 2], &mut answers);
        assert_eq!(groups, [vec![0], vec![1, 2], vec![3]]);
        halve(&mut groups, vec![1], &mut answers);
        assert!(matches!(&answers[1], Some(Written::Refused(_))));
    }
}
