//! Moving on to an index with the mapping that the schemas ask for now.

use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::bulk::{self, Write, Written};
use super::client::{Client, LIMITS, Trouble};
use super::documents::ItemDocument;
use super::index::Index;
use super::mapping;
use super::place::ServerSpec;
use super::reader::{self, Hits};
use crate::store::StoreError;

/// Documents moved at a time.
const CHUNK: usize = 500;

/// Items that do not fit, of which the reasons are told.
const TOLD: usize = 10;

/// What became of a reindexing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reindexed {
    /// The alias leads to the new index.
    Moved {
        /// The index that was left; it is still there.
        from: String,
        /// The index that is used now.
        to: String,
        /// How many items it has.
        items: u64,
    },
    /// Some items do not fit the mapping: the alias leads where it led, and the new index is gone again.
    DoNotFit {
        /// How many.
        items: u64,
        /// The first of them, with the server's reasons.
        first: Vec<String>,
    },
}

/// Copies all items into a new index with the mapping of the present schemas, and has the alias lead there.
///
/// The turn to write is taken first: an itemsaver that has the store open saves nothing more until it is started again. What is under way
/// then, and what an itemsaver that is started meanwhile gets, the server puts off until the alias leads to the new index.
///
/// # Errors
/// [`StoreError`]; the alias leads where it led then.
pub async fn reindex(spec: &ServerSpec) -> Result<Reindexed, StoreError> {
    let index = Index::new(Client::new(spec, LIMITS)?, &spec.index);
    index.check().await?;
    let told = |trouble| index.told(trouble);
    let epoch = index.take_epoch().await?;
    let from = index.behind(&index.items).await.map_err(told)?.ok_or_else(|| index.unusable("it has no index".to_owned()))?;
    let to = mapping::next_index_name(&index.items, &from);
    let schemas = index.schemas().await?;
    // The alias comes last; until then a bulk needs one to write through. No other run has the same.
    let passages = format!("{}-moving-", index.items);
    remove_remains(&index, &to, &passages).await.map_err(told)?;
    let passage = format!("{passages}{epoch}");
    index.client.once(Method::Put, &to, &[], &mapping::items(&passage, &schemas)).await.map_err(told)?;
    let moving = Move { index: &index, from, to, passage };
    match moving.carry_out().await {
        Ok(Copied { items, misfits: 0, .. }) => Ok(Reindexed::Moved { from: moving.from, to: moving.to, items }),
        Ok(Copied { misfits, first, .. }) => {
            moving.undo().await.map_err(told)?;
            Ok(Reindexed::DoNotFit { items: misfits, first })
        }
        Err(error) => {
            // Best effort: the error that matters is the first one.
            let _ = moving.undo().await;
            Err(error)
        }
    }
}

/// Takes away what a run that was killed has left: an index that is still led to by a passage, and so by nothing else of ours.
async fn remove_remains(index: &Index, to: &str, passages: &str) -> Result<(), Trouble> {
    let aliases = match index.client.once(Method::Get, &format!("{to}/_alias"), &[], "").await {
        Err(Trouble::Refused(404, _)) => return Ok(()),
        answered => answered?,
    };
    let aliases: Value = index.client.read(&aliases)?;
    let is_remains = aliases[to]["aliases"].as_object().is_some_and(|names| names.keys().any(|name| name.starts_with(passages)));
    if is_remains {
        index.client.once(Method::Delete, to, &[], "").await?;
    }
    Ok(())
}

/// A new index that is being filled.
struct Move<'a> {
    index: &'a Index,
    from: String,
    to: String,
    /// Leads to the new index until the alias does.
    passage: String,
}

impl Move<'_> {
    /// Copies, and has the alias lead to the new index if everything fits.
    async fn carry_out(&self) -> Result<Copied, StoreError> {
        let Move { index, from, to, passage } = self;
        let told = |trouble| index.told(trouble);
        // Answered once no write is under way: what is acknowledged is copied, and the rest is refused until the alias leads elsewhere.
        index.client.write(Method::Put, &format!("{from}/_block/write"), &[], "").await.map_err(told)?;
        let copied = copy(index, passage).await?;
        if copied.misfits > 0 {
            return Ok(copied);
        }
        let actions = json!({ "actions": [
            { "remove": { "index": from, "alias": index.items, "must_exist": true } },
            { "remove": { "index": to, "alias": passage, "must_exist": true } },
            { "add": { "index": to, "alias": index.items } },
        ] });
        match index.client.write(Method::Post, "_aliases", &[], &actions.to_string()).await {
            // The answer to a first try may have been lost.
            Err(trouble @ Trouble::Refused(..)) if index.behind(&index.items).await.map_err(told)?.as_ref() != Some(to) => {
                Err(told(trouble))
            }
            Err(Trouble::Refused(..)) | Ok(_) => Ok(copied),
            Err(trouble) => Err(told(trouble)),
        }
    }

    /// Takes the new index away and lets the old one be written again.
    async fn undo(&self) -> Result<(), Trouble> {
        let Move { index, from, to, passage } = self;
        // Without its passage the new index is in use, or is another run's.
        if index.behind(passage).await?.as_ref() != Some(to) {
            return Ok(());
        }
        index.client.once(Method::Delete, to, &[], "").await?;
        let settings = json!({ "index.blocks.write": null }).to_string();
        index.client.write(Method::Put, &format!("{from}/_settings"), &[], &settings).await.map(drop)
    }
}

struct Copied {
    items: u64,
    misfits: u64,
    /// The first misfits, at most [`TOLD`].
    first: Vec<String>,
}

async fn copy(index: &Index, passage: &str) -> Result<Copied, StoreError> {
    let told = |trouble| index.told(trouble);
    let mut copied = Copied { items: 0, misfits: 0, first: Vec::new() };
    let mut after: Option<(String, String)> = None;
    index.refresh().await?;
    loop {
        let mut body = json!({ "size": CHUNK, "track_total_hits": false, "version": true, "sort": ["type", "id"] });
        if let Some((item_type, id)) = &after {
            body["search_after"] = json!([item_type, id]);
        }
        let answer = reader::search(index, &body.to_string()).await?;
        let hits: Hits<'_> = index.client.read(&answer).map_err(told)?;
        let hits = hits.into_hits();
        if hits.is_empty() {
            return Ok(copied);
        }
        let mut writes = Vec::with_capacity(hits.len());
        let mut names = Vec::with_capacity(hits.len());
        let mut version = 0;
        for hit in &hits {
            let unreadable = |error| index.unusable(format!("a document is none of ours: {error}"));
            let document = ItemDocument::of_json(hit.source.get()).map_err(unreadable)?;
            writes.push(Write { id: document.document_id(), source: Some(document.to_json().map_err(unreadable)?) });
            names.push((document.item_type, document.id.to_string()));
            // The greatest of the chunk: all are below what the next writer writes, whose epoch is higher.
            version = hit.version.max(version);
        }
        after = names.last().cloned();
        for ((item_type, id), written) in names.into_iter().zip(bulk::write(&index.client, passage, version, &writes).await.map_err(told)?)
        {
            match written {
                Written::Done | Written::Outdated => copied.items += 1,
                Written::Refused(reason) => {
                    copied.misfits += 1;
                    if copied.first.len() < TOLD {
                        copied.first.push(format!("{item_type} {id}: {reason}"));
                    }
                }
            }
        }
    }
}
