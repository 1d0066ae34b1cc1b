//! An engine among those of a crawl: known by a number of its own, alive as long as it says so.
//!
//! One that has not been heard of for too long is buried by the others and never comes back: what it had is free to be taken, shard by shard,
//! each with a new epoch. If it thaws, it learns that from its next renewal or commit, and joins anew.

use std::sync::Arc;

use tokio::time::Instant;

use super::keeper::Line;
use super::renewals::{LASTS, RELIED_ON, Renewals};
use super::session::Session;
use super::statements;
use super::{GIVE_BACK, Holder, Shared};
use crate::frontier::FrontierError;

/// An engine that is kept alive. Dropped without parting, it is buried in time.
#[derive(Debug)]
pub(super) struct Member {
    /// The crawl's number.
    pub(super) crawl: i32,
    /// Its own.
    pub(super) id: i64,
    renewals: Renewals,
}

/// An engine of a crawl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub(in crate::frontier) id: i64,
    /// In words, for a person.
    pub name: String,
    pub(in crate::frontier) token: String,
}

impl Shared {
    /// Becomes one of the engines of the crawl with this number. A former engine with the same token is gone.
    pub(in crate::frontier) fn join(self: &Arc<Self>, crawl: i32, holder: &Holder) -> Result<i64, FrontierError> {
        let (who, name, epoch) = (Arc::new(holder.clone()), Arc::<str>::from(self.crawl.as_str()), self.epoch_to_write()?);
        let sent = Instant::now();
        let joined = self.run(move |session: Arc<Session>| {
            let (who, name) = (Arc::clone(&who), Arc::clone(&name));
            async move {
                let lasts = LASTS.as_millis() as i64;
                let row = session.client.query_opt(statements::JOIN, &[&crawl, &who.name, &who.token, &lasts, &&*name, &epoch]).await?;
                Ok(row.map(|row| row.get::<_, i64>(0)))
            }
        })?;
        let id = joined.ok_or_else(|| self.lost())?;
        let keeper = self.connection.keeper().clone();
        keeper.renewed(sent + RELIED_ON);
        let renew = move |session: Arc<Session>| async move {
            session.client.execute(statements::RENEW, &[&crawl, &id, &(LASTS.as_millis() as i64)]).await
        };
        let own = self.another_connection(Line::Member, keeper);
        let renewals = Renewals::start(self.background.handle(), own, self.crawl.to_string(), renew);
        *self.member.lock().expect("no holder of this lock panics") = Some(Member { crawl, id, renewals });
        Ok(id)
    }

    /// Is none of the crawl's engines any more, if it was one. What it had is free at once.
    pub(in crate::frontier) fn part(&self) {
        let Some(member) = self.member.lock().expect("no holder of this lock panics").take() else { return };
        // First: a renewal that finds nothing to renew means that others have buried this engine.
        member.renewals.stop();
        let Some(session) = self.connection.last_session() else { return };
        let Member { crawl, id, .. } = member;
        self.background.wait(async move {
            // One that does not part is buried.
            let _ = tokio::time::timeout(GIVE_BACK, session.client.execute(statements::PART, &[&crawl, &id])).await;
        });
        self.connection.keeper().forget(Line::Member);
    }

    /// Buries the engines of a crawl that are silent, and those with this token. Answers who they were.
    pub(in crate::frontier) fn bury(self: &Arc<Self>, crawl: i32, token: &str) -> Result<Vec<String>, FrontierError> {
        let token = Arc::<str>::from(token);
        self.run(move |session: Arc<Session>| {
            let token = Arc::clone(&token);
            async move {
                let rows = session.client.query(statements::BURY, &[&crawl, &&*token]).await?;
                Ok(rows.iter().map(|row| row.get(0)).collect())
            }
        })
    }

    /// The engines of a crawl, alive or not yet buried.
    pub(in crate::frontier) fn peers(self: &Arc<Self>, crawl: i32) -> Result<Vec<Peer>, FrontierError> {
        self.run(move |session: Arc<Session>| async move {
            let rows = session.client.query(statements::ENGINES, &[&crawl]).await?;
            Ok(rows.iter().map(|row| Peer { id: row.get(0), name: row.get(1), token: row.get(2) }).collect())
        })
    }
}
