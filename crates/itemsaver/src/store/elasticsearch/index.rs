//! The indices behind a store: made at first, found again, told apart from others', and whose turn it is to write.

use elasticsearch::http::Method;
use model::schema::TypeSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::client::{Client, Trouble};
use super::mapping;
use crate::store::StoreError;

/// The document that says who writes: each writer that opens the store takes the next epoch, and the one before may no longer.
const WRITER: &str = "writer";

/// The document with the types' fields.
const SCHEMAS: &str = "schemas";

/// How often a document that others change at the same moment is read again.
const RACES: usize = 20;

/// The aliases of a store.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) client: Client,
    /// Where the items are.
    pub(super) items: String,
    /// Where it stands what each page said.
    pub(super) pages: String,
    /// Where it stands what has changed in items; only where that is kept.
    pub(super) history: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct WriterDocument {
    epoch: u64,
}

#[derive(Debug, Deserialize, Serialize)]
struct SchemasDocument {
    types: Vec<TypeSchema>,
}

/// A document with what it takes to replace exactly it.
#[derive(Deserialize)]
struct Found<'a> {
    found: bool,
    #[serde(rename = "_seq_no")]
    sequence: Option<u64>,
    #[serde(rename = "_primary_term")]
    term: Option<u64>,
    #[serde(borrow, rename = "_source")]
    source: Option<&'a RawValue>,
}

impl Index {
    pub(super) fn new(client: Client, alias: &str) -> Index {
        Index { client, items: alias.to_owned(), pages: format!("{alias}-pages"), history: format!("{alias}-history") }
    }

    /// Makes the indices where they are not, and looks at them where they are.
    pub(super) async fn make(&self, keeps_history: bool) -> Result<(), StoreError> {
        let mut all = vec![(&self.pages, mapping::pages(&self.pages)), (&self.items, mapping::items(&self.items, &[]))];
        if keeps_history {
            all.push((&self.history, mapping::history(&self.history)));
        }
        let aliases: Vec<&String> = all.iter().map(|(alias, _)| *alias).collect();
        let made = async {
            for (alias, body) in &all {
                if self.behind(alias).await?.is_none() {
                    let name = mapping::index_name(alias, 1);
                    let made = self.client.once(Method::Put, &name, &[], body).await;
                    // Another process may have been faster.
                    if let Err(trouble) = made
                        && self.behind(alias).await?.is_none()
                    {
                        return Err(trouble);
                    }
                }
            }
            Ok(())
        };
        made.await.map_err(|trouble: Trouble| trouble.told(&self.client.store))?;
        self.check_all(&aliases).await
    }

    /// Whether the aliases of pages and items lead to indices of ours.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        self.check_all(&[&self.pages, &self.items]).await
    }

    async fn check_all(&self, aliases: &[&String]) -> Result<(), StoreError> {
        for alias in aliases {
            let path = format!("{alias}/_mapping");
            let answer = self.client.once(Method::Get, &path, &[], "").await.map_err(|trouble| self.told(trouble))?;
            let mappings: Value = self.client.read(&answer).map_err(|trouble| self.told(trouble))?;
            let layouts: Vec<_> =
                mappings.as_object().into_iter().flatten().map(|(_, index)| &index["mappings"]["_meta"][mapping::MARK]).collect();
            match layouts[..] {
                [layout] if *layout == mapping::LAYOUT => {}
                [layout] => {
                    let reason = match layout.as_u64() {
                        Some(other) => format!("the layout of {alias} is version {other}; this build knows version {}", mapping::LAYOUT),
                        None => format!("index {alias} is there and is no item store"),
                    };
                    return Err(self.unusable(reason));
                }
                _ => return Err(self.unusable(format!("alias {alias} leads to {} indices, not to one", layouts.len()))),
            }
        }
        Ok(())
    }

    /// The index behind an alias; `None` where there is none.
    pub(super) async fn behind(&self, alias: &str) -> Result<Option<String>, Trouble> {
        match self.client.once(Method::Get, &format!("_alias/{alias}"), &[], "").await {
            Ok(answer) => {
                let indices: serde_json::Map<String, Value> = self.client.read(&answer)?;
                Ok(indices.keys().next().cloned())
            }
            Err(Trouble::Refused(404, _)) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Takes the turn to write: the new epoch.
    pub(super) async fn take_epoch(&self) -> Result<u64, StoreError> {
        self.change(WRITER, |before: Option<WriterDocument>| WriterDocument { epoch: before.map_or(0, |before| before.epoch) + 1 })
            .await
            .map(|writer| writer.epoch)
    }

    /// The document that says who writes, for a look at many documents at once: index and name.
    pub(super) fn writer(&self) -> (&str, &'static str) {
        (&self.pages, WRITER)
    }

    /// Whether the source of [`Index::writer`] names this epoch.
    pub(super) fn is_epoch(source: Option<&str>, epoch: u64) -> bool {
        source.and_then(|source| serde_json::from_str::<WriterDocument>(source).ok()).is_some_and(|writer| writer.epoch == epoch)
    }

    /// The error of a writer whose turn is over.
    pub(super) fn taken_over(&self) -> StoreError {
        let reason = "another itemsaver has opened it to write since, or reindexed it: end one of the two and start the other again";
        StoreError::Unavailable { store: self.client.store.clone(), reason: reason.to_owned() }
    }

    /// All schemas kept, in order of the types' names.
    pub(super) async fn schemas(&self) -> Result<Vec<TypeSchema>, StoreError> {
        let answer = self.get(SCHEMAS).await.map_err(|trouble| self.told(trouble))?;
        let found = self.found::<SchemasDocument>(&answer).map_err(|trouble| self.told(trouble))?;
        Ok(found.map(|(schemas, ..)| schemas.types).unwrap_or_default())
    }

    /// Keeps schemas beside those of other types, and maps their fields.
    pub(super) async fn put_schemas(&self, types: &[TypeSchema]) -> Result<(), StoreError> {
        let merge = |before: Option<SchemasDocument>| {
            let mut kept = before.map(|before| before.types).unwrap_or_default();
            kept.retain(|old| !types.iter().any(|new| new.item_type == old.item_type));
            kept.extend(types.iter().cloned());
            kept.sort_by(|one, other| one.item_type.cmp(&other.item_type));
            SchemasDocument { types: kept }
        };
        let before = self.schemas().await?;
        let conflicts = mapping::conflicts(&merge(Some(SchemasDocument { types: before })).types);
        if !conflicts.is_empty() {
            return Err(self.unusable(format!("one index has one kind for a field: {}", conflicts.join("; "))));
        }
        // Kept first: a mapping that the index cannot have is what `reindex` is for, which reads them.
        let kept = self.change(SCHEMAS, merge).await?;
        let (path, body) = (format!("{}/_mapping", self.items), mapping::additions(&kept.types));
        match self.client.write(Method::Put, &path, &[], &body).await {
            Ok(_) => Ok(()),
            Err(Trouble::Refused(_, reason)) => {
                Err(self
                    .unusable(format!("its index has other kinds of fields ({reason}): end this, run `itemsaver reindex`, start it again")))
            }
            Err(trouble) => Err(self.told(trouble)),
        }
    }

    /// Makes what was written visible to searches.
    pub(super) async fn refresh(&self) -> Result<(), StoreError> {
        let path = format!("{}/_refresh", self.items);
        match self.client.ask(Method::Post, &path, "").await {
            Ok(_) => Ok(()),
            Err(trouble) => Err(self.told(trouble)),
        }
    }

    /// Changes one document, whoever else does at the same moment.
    async fn change<T: for<'a> Deserialize<'a> + Serialize>(&self, name: &str, change: impl Fn(Option<T>) -> T) -> Result<T, StoreError> {
        for _ in 0..RACES {
            let answer = self.get(name).await.map_err(|trouble| self.told(trouble))?;
            let found = self.found::<T>(&answer).map_err(|trouble| self.told(trouble))?;
            let (before, place) = match found {
                Some((before, sequence, term)) => {
                    (Some(before), vec![("if_seq_no", sequence.to_string()), ("if_primary_term", term.to_string())])
                }
                None => (None, vec![("op_type", "create".to_owned())]),
            };
            let mut query: Vec<(&str, &str)> = place.iter().map(|(key, value)| (*key, value.as_str())).collect();
            query.push(("require_alias", "true"));
            let after = change(before);
            let body = serde_json::to_string(&after).map_err(|error| self.unusable(error.to_string()))?;
            let path = format!("{}/_doc/{name}", self.pages);
            match self.client.write(Method::Put, &path, &query, &body).await {
                Ok(_) => return Ok(after),
                Err(Trouble::Refused(409, _)) => {}
                Err(trouble) => return Err(self.told(trouble)),
            }
        }
        Err(self.taken_over())
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>, Trouble> {
        match self.client.ask(Method::Get, &format!("{}/_doc/{name}", self.pages), "").await {
            // A document that is not there is answered 404 as well, without an error.
            Err(Trouble::Refused(404, reason)) if reason.contains("status 404") => Ok(json!({ "found": false }).to_string().into_bytes()),
            answered => answered,
        }
    }

    fn found<T: for<'a> Deserialize<'a>>(&self, answer: &[u8]) -> Result<Option<(T, u64, u64)>, Trouble> {
        let found: Found<'_> = self.client.read(answer)?;
        match (found.found, found.source, found.sequence, found.term) {
            (true, Some(source), Some(sequence), Some(term)) => Ok(Some((self.client.read(source.get().as_bytes())?, sequence, term))),
            _ => Ok(None),
        }
    }

    pub(super) fn told(&self, trouble: Trouble) -> StoreError {
        trouble.told(&self.client.store)
    }

    pub(super) fn unusable(&self, reason: String) -> StoreError {
        StoreError::Unusable { store: self.client.store.clone(), reason }
    }
}
