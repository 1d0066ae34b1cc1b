//! The statements. Each is a transaction of its own: nothing is open between two round trips, so that a process that is frozen holds up
//! nobody.

use std::fmt::Write as _;

use crate::frontier::tables::Table;

/// The value of a key, in the rows of number `$1`.
pub(super) fn get(table: Table) -> String {
    format!("SELECT value FROM gossamer.{} WHERE crawl = $1 AND key = $2", table.name())
}

/// Rows from `$2` on and before `$3`, at most `$4`.
pub(super) fn range(table: Table) -> String {
    format!("SELECT key, value FROM gossamer.{} WHERE crawl = $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4", table.name())
}

/// A group of the engine `$2` of crawl number `$1`, with `$3` pages: of each shard that it changes the number `$4`, the epoch `$5`, the number of the
/// group before `$6`, and how much is queued `$7` and how many pages are done `$8` after it; then for each table the keys that are put, with their
/// values, and the keys that are removed, each with the number whose row it is; then the entries that are removed from the inbox, and those for
/// other shards, each with the key of its URL, by which it is left out where that is known.
///
/// If any of the shards has another epoch or is at another group, or the engine was buried, `whole` has no row, and then nothing else of the statement
/// has one to work on: it is all or nothing. Answers the rows of `whole`, one or none.
///
/// Shards are locked in the order of their numbers, and every other row belongs to the one engine that has its shard or is new: two engines
/// never wait for each other in a circle. The engine's own line is locked against being removed, which does not hold up its renewals.
pub(super) fn commit() -> String {
    let mut text = String::from(
        "WITH wanted AS (
            SELECT * FROM unnest($4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
            AS wanted (number, epoch, groups, queued, pages)
        ), alive AS (
            SELECT id FROM gossamer.engines WHERE crawl = $1::int AND id = $2::bigint FOR KEY SHARE
        ), locked AS (
            SELECT shard.number FROM gossamer.shards AS shard JOIN wanted ON wanted.number = shard.number
            WHERE shard.epoch = wanted.epoch AND shard.groups = wanted.groups ORDER BY shard.number FOR UPDATE OF shard
        ), whole AS (
            SELECT FROM (SELECT count(*) AS shards FROM locked) AS counted
            WHERE counted.shards = cardinality($4::int[]) AND EXISTS (SELECT FROM alive)
        ), moved AS (
            UPDATE gossamer.shards AS shard SET groups = shard.groups + 1, queued = wanted.queued, pages = wanted.pages
            FROM whole, wanted WHERE shard.number = wanted.number
        ), spent AS (
            UPDATE gossamer.grants SET pages = greatest(pages - $3::bigint, 0) FROM whole
            WHERE crawl = $1::int AND engine = $2::bigint AND $3::bigint > 0
        )",
    );
    let mut parameter = 8;
    let mut next = || {
        parameter += 1;
        parameter
    };
    for table in Table::ALL {
        let name = table.name();
        let (of_put, keys, values, of_removed, removed) = (next(), next(), next(), next(), next());
        // Writing into a String never fails.
        let _ = write!(
            text,
            ", put_{name} AS (
                INSERT INTO gossamer.{name} (crawl, key, value)
                SELECT new.crawl, new.key, new.value
                FROM whole, unnest(${of_put}::int[], ${keys}::bytea[], ${values}::bytea[]) AS new (crawl, key, value)
                ON CONFLICT (crawl, key) DO UPDATE SET value = excluded.value
            ), removed_{name} AS (
                DELETE FROM gossamer.{name} AS line USING whole, unnest(${of_removed}::int[], ${removed}::bytea[]) AS old (crawl, key)
                WHERE line.crawl = old.crawl AND line.key = old.key
            )"
        );
    }
    let (of_received, received) = (next(), next());
    let (of_sent, urls, keys, values) = (next(), next(), next(), next());
    let _ = write!(
        text,
        ", received AS (
            DELETE FROM gossamer.inbox AS line USING whole, unnest(${of_received}::int[], ${received}::bytea[]) AS old (shard, key)
            WHERE line.shard = old.shard AND line.key = old.key
        ), sent AS (
            INSERT INTO gossamer.inbox (shard, key, value)
            SELECT new.shard, new.key, new.value
            FROM whole, unnest(${of_sent}::int[], ${urls}::bytea[], ${keys}::bytea[], ${values}::bytea[]) AS new (shard, url, key, value)
            WHERE NOT EXISTS (SELECT FROM gossamer.known WHERE crawl = new.shard AND known.key = new.url)
            ON CONFLICT (shard, key) DO NOTHING
        ) SELECT count(*) FROM whole"
    );
    text
}

/// Enters a crawl `$1` in `$2` shards, divided by the public suffix list `$3`, unless it is there.
pub(super) const ENTER: &str = "INSERT INTO gossamer.crawls (name, shards, suffixes) SELECT $1::text, $2::int, $3::text \
                                WHERE NOT EXISTS (SELECT FROM gossamer.crawls WHERE name = $1) ON CONFLICT DO NOTHING";

/// Takes the lease of crawl `$1` for `$2` with the token `$3` and for `$4` milliseconds, if it has lapsed or was given back, or if its holder had
/// this very token.
pub(super) const TAKE_LEASE: &str = "UPDATE gossamer.crawls SET epoch = epoch + 1, holder = $2, token = $3, \
                                     held_until = clock_timestamp() + $4::bigint * interval '1 ms' \
                                     WHERE name = $1 AND (held_until < clock_timestamp() OR token = $3) RETURNING epoch";

/// Renews the lease of crawl `$1`, taken with epoch `$2`, for `$3` milliseconds; not one that was given back while this was on its way.
pub(super) const RENEW_LEASE: &str = "UPDATE gossamer.crawls SET held_until = clock_timestamp() + $3::bigint * interval '1 ms' \
                                      WHERE name = $1 AND epoch = $2 AND token IS NOT NULL";

/// Gives the lease of crawl `$1`, taken with epoch `$2`, back.
pub(super) const GIVE_LEASE_BACK: &str = "UPDATE gossamer.crawls SET held_until = '-infinity', holder = NULL, token = NULL \
                                          WHERE name = $1 AND epoch = $2";

/// How crawl `$1` stands.
pub(super) const LOOK: &str =
    "SELECT number, shards, suffixes, epoch, held_until > clock_timestamp(), holder FROM gossamer.crawls WHERE name = $1";

/// The crawls that were begun.
pub(super) const NAMES: &str = "SELECT name FROM gossamer.crawls \
                                WHERE EXISTS (SELECT FROM gossamer.crawl WHERE crawl = crawls.number AND key = 'record') ORDER BY name";

/// Discards crawl `$1`, held with epoch `$2`, that has the number `$3`: it gets another one, and is divided by the list `$4` from then on. The shards go at once, and with them the right to write
/// by the old numbers.
pub(super) const DISCARD: &str = "WITH fence AS (\
                                  UPDATE gossamer.crawls SET number = nextval('gossamer.numbers'), suffixes = $4 \
                                  WHERE name = $1 AND epoch = $2 AND number = $3 RETURNING shards), \
                                  gone AS (DELETE FROM gossamer.shards USING fence WHERE shards.crawl = $3) \
                                  INSERT INTO gossamer.discarded (number, shards) SELECT $3, fence.shards FROM fence";

/// Numbers whose rows are of no crawl any more.
pub(super) const DISCARDED: &str = "SELECT number, shards FROM gossamer.discarded";

/// The rows of crawl number `$1` are gone; so is every engine that was at it, since nobody else would bury it.
pub(super) const FORGET: &str = "WITH gone AS (DELETE FROM gossamer.engines WHERE crawl = $1) \
                                 DELETE FROM gossamer.discarded WHERE number = $1";

/// Removes some rows of the numbers from `$1` to `$2`: so many that it takes a moment.
pub(super) fn remove_some(table: Table) -> String {
    let name = table.name();
    format!(
        "DELETE FROM gossamer.{name} AS line USING (
            SELECT crawl, key FROM gossamer.{name} WHERE crawl BETWEEN $1 AND $2 ORDER BY crawl, key LIMIT 10000
        ) AS old WHERE line.crawl = old.crawl AND line.key = old.key"
    )
}

/// The same of what was sent to them.
pub(super) const REMOVE_SENT: &str = "DELETE FROM gossamer.inbox AS line USING (\
                                      SELECT shard, key FROM gossamer.inbox WHERE shard BETWEEN $1 AND $2 ORDER BY shard, key LIMIT 10000) AS old \
                                      WHERE line.shard = old.shard AND line.key = old.key";

/// Makes the shards of crawl number `$1`, `$2` of them, as far as they are not there.
pub(super) const MAKE_SHARDS: &str =
    "INSERT INTO gossamer.shards (number, crawl) SELECT $1::int + n, $1::int FROM generate_series(1, $2::int) AS n ON CONFLICT DO NOTHING";

/// The shards of crawl number `$1`, and whether an engine has them.
pub(super) const SHARDS: &str = "SELECT number, epoch, groups, engine, \
                                 EXISTS (SELECT FROM gossamer.engines WHERE crawl = $1 AND id = engine) \
                                 FROM gossamer.shards WHERE crawl = $1 ORDER BY number";

/// Gives engine `$2` of crawl number `$1` the shards `$3`, as far as each is still at its epoch of `$4`, no engine has it, and this one is alive.
pub(super) const TAKE_SHARDS: &str = "UPDATE gossamer.shards AS shard SET engine = $2, epoch = shard.epoch + 1 \
     FROM unnest($3::int[], $4::bigint[]) AS wanted (number, epoch) \
     WHERE shard.number = wanted.number AND shard.epoch = wanted.epoch \
     AND NOT EXISTS (SELECT FROM gossamer.engines WHERE crawl = $1 AND id = shard.engine) \
     AND EXISTS (SELECT FROM gossamer.engines WHERE crawl = $1 AND id = $2) RETURNING shard.number, shard.epoch, shard.groups";

/// Engine `$1` has the shard `$2`, taken with epoch `$3`, no more.
pub(super) const LEAVE_SHARD: &str = "UPDATE gossamer.shards SET engine = 0 WHERE number = $2 AND engine = $1 AND epoch = $3";

/// Makes an engine `$2` with the token `$3` known to crawl number `$1` for `$4` milliseconds, in the place of one with this very token, if the lease of
/// the crawl `$5` is still that of epoch `$6`.
pub(super) const JOIN: &str = "WITH fence AS (SELECT number FROM gossamer.crawls WHERE number = $1 AND name = $5 AND epoch = $6 FOR UPDATE), \
                               former AS (DELETE FROM gossamer.engines USING fence WHERE crawl = $1 AND engines.token = $3) \
                               INSERT INTO gossamer.engines (crawl, holder, token, held_until) \
                               SELECT number, $2, $3, clock_timestamp() + $4::bigint * interval '1 ms' FROM fence RETURNING id";

/// Engine `$2` of crawl number `$1` is alive for `$3` more milliseconds.
pub(super) const RENEW: &str = "UPDATE gossamer.engines SET held_until = clock_timestamp() + $3::bigint * interval '1 ms' \
                                WHERE crawl = $1 AND id = $2";

/// Engine `$2` of crawl number `$1` is gone.
pub(super) const PART: &str = "DELETE FROM gossamer.engines WHERE crawl = $1 AND id = $2";

/// Those of crawl number `$1` are gone that have not said for too long that they are alive, or had the token `$2`.
pub(super) const BURY: &str =
    "DELETE FROM gossamer.engines WHERE crawl = $1 AND (held_until < clock_timestamp() OR token = $2) RETURNING holder";

/// The engines of crawl number `$1`.
pub(super) const ENGINES: &str = "SELECT id, holder, token FROM gossamer.engines WHERE crawl = $1 ORDER BY id";

/// What is in the inboxes of the shards `$1` after the key `$4` of shard `$3`, at most `$2`.
pub(super) const INBOX: &str = "SELECT shard, key, value FROM gossamer.inbox WHERE shard = ANY($1::int[]) AND (shard, key) > ($3, $4) \
                                ORDER BY shard, key LIMIT $2";

/// The records of the shards `$1`.
pub(super) const RECORDS: &str = "SELECT crawl, value FROM gossamer.crawl WHERE crawl = ANY($1::int[]) AND key = 'record'";

/// How many sites and permits have joined crawl number `$1`.
pub(super) const NOTED: &str = "SELECT count(*) FROM gossamer.crawl WHERE crawl = $1 \
                                AND (key BETWEEN 'site/' AND 'site0' OR key BETWEEN 'permit/' AND 'permit0')";

/// What is known of URLs: of each the number of its shard `$1` and its key `$2`. Those that are not known are left out.
pub(super) const KNOWN: &str = "SELECT known.crawl, known.key, known.value FROM unnest($1::int[], $2::bytea[]) AS asked (crawl, key) \
                                JOIN gossamer.known ON known.crawl = asked.crawl AND known.key = asked.key";

/// Which of the shards `$1` knows the URL `$2`.
pub(super) const KNOWN_BY: &str = "SELECT crawl FROM gossamer.known WHERE crawl = ANY($1::int[]) AND key = $2 LIMIT 1";

/// Whether nothing is left to do in crawl number `$1`: nothing queued, nothing on its way to another shard, no item to be sent again. In one look, so
/// that nothing can move from one to the other meanwhile.
const IS_OVER: &str = "EXISTS (SELECT FROM gossamer.shards WHERE crawl = $1) \
                       AND NOT EXISTS (SELECT FROM gossamer.shards WHERE crawl = $1 AND queued > 0) \
                       AND NOT EXISTS (SELECT FROM gossamer.inbox WHERE shard IN (SELECT number FROM gossamer.shards WHERE crawl = $1)) \
                       AND NOT EXISTS (SELECT FROM gossamer.send WHERE crawl IN (SELECT number FROM gossamer.shards WHERE crawl = $1))";

/// Whether no inbox of crawl number `$1` has anything in it.
pub(super) const IS_QUIET: &str =
    "SELECT NOT EXISTS (SELECT FROM gossamer.inbox WHERE shard IN (SELECT number FROM gossamer.shards WHERE crawl = $1))";

/// Answers [`IS_OVER`].
pub(super) fn is_over() -> String {
    format!("SELECT {IS_OVER}")
}

/// Puts `$2` in the place of the record of crawl number `$1`, if nothing is left to do and engine `$3` is alive.
pub(super) fn complete() -> String {
    format!(
        "INSERT INTO gossamer.crawl (crawl, key, value) SELECT $1::int, 'record', $2::bytea WHERE {IS_OVER} \
         AND EXISTS (SELECT FROM gossamer.engines WHERE crawl = $1 AND id = $3) \
         ON CONFLICT (crawl, key) DO UPDATE SET value = excluded.value"
    )
}

/// Puts rows of the table `crawl` for crawl `$1`, held with epoch `$2`, that has the number `$3`: keys `$4` and values `$5`.
pub(super) const PUT: &str = "WITH fence AS (SELECT number FROM gossamer.crawls WHERE name = $1 AND epoch = $2 AND number = $3 FOR UPDATE) \
                              INSERT INTO gossamer.crawl (crawl, key, value) \
                              SELECT fence.number, new.key, new.value FROM fence, unnest($4::bytea[], $5::bytea[]) AS new (key, value) \
                              ON CONFLICT (crawl, key) DO UPDATE SET value = excluded.value";

/// What there is to know before pages of the budget of crawl number `$1` are granted: how often they were, pages that are done, and those that are
/// granted and not done; of the latter those of engine `$2`.
pub(super) const BUDGET: &str = "SELECT grants, \
                                 (SELECT coalesce(sum(pages), 0)::bigint FROM gossamer.shards WHERE crawl = $1), \
                                 (SELECT coalesce(sum(pages), 0)::bigint FROM gossamer.grants WHERE crawl = $1), \
                                 (SELECT coalesce(sum(pages), 0)::bigint FROM gossamer.grants WHERE crawl = $1 AND engine = $2) \
                                 FROM gossamer.crawls WHERE number = $1";

/// Lets engine `$2` of crawl number `$1` have `$4` pages in all, unless anybody was granted some since there were `$3` grants.
pub(super) const GRANT: &str = "WITH turn AS (UPDATE gossamer.crawls SET grants = grants + 1 WHERE number = $1 AND grants = $3 RETURNING number) \
                                INSERT INTO gossamer.grants (crawl, engine, pages) SELECT turn.number, engines.id, $4 \
                                FROM turn JOIN gossamer.engines ON engines.crawl = turn.number AND engines.id = $2 \
                                ON CONFLICT (crawl, engine) DO UPDATE SET pages = excluded.pages";
