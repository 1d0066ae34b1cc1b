//! The statements. Each is a transaction of its own: nothing is open between two round trips, so that a process that is frozen holds up
//! nobody.

use std::fmt::Write as _;

use crate::frontier::tables::Table;

/// The value of a key, of crawl `$1`.
pub(super) fn get(table: Table) -> String {
    format!("SELECT value FROM gossamer.{} WHERE crawl = $1 AND key = $2", table.name())
}

/// Rows from `$2` on and before `$3`, at most `$4`.
pub(super) fn range(table: Table) -> String {
    format!("SELECT key, value FROM gossamer.{} WHERE crawl = $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4", table.name())
}

/// A group: crawl `$1` by name and `$2` by number, epoch `$3`, number of the group before `$4`, and for each table the keys that are put, their
/// values, and the keys that are removed.
///
/// Whoever has no right to write, or has written already, matches no line in `fence`, and then nothing else of the statement has a row to
/// work on: it is all or nothing. Answers the lines that matched, one or none.
pub(super) fn commit() -> String {
    let mut text = String::from(
        "WITH fence AS (
            UPDATE gossamer.crawls SET groups = groups + 1
            WHERE name = $1 AND number = $2 AND epoch = $3 AND groups = $4
            RETURNING number
        )",
    );
    for (index, table) in Table::ALL.into_iter().enumerate() {
        let first = FIRST_OF_TABLES + index * OF_TABLE;
        let (name, keys, values, removed) = (table.name(), first, first + 1, first + 2);
        // Writing into a String never fails.
        let _ = write!(
            text,
            ", put_{name} AS (
                INSERT INTO gossamer.{name} (crawl, key, value)
                SELECT fence.number, new.key, new.value FROM fence, unnest(${keys}::bytea[], ${values}::bytea[]) AS new (key, value)
                ON CONFLICT (crawl, key) DO UPDATE SET value = excluded.value
            ), removed_{name} AS (
                DELETE FROM gossamer.{name} WHERE crawl = $2 AND key = ANY(${removed}::bytea[]) AND EXISTS (SELECT FROM fence)
            )"
        );
    }
    text + " SELECT count(*) FROM fence"
}

/// The first parameter of the first table in a group.
const FIRST_OF_TABLES: usize = 5;

/// Parameters of each table.
const OF_TABLE: usize = 3;

/// Enters a crawl `$1`, unless it is there.
pub(super) const ENTER: &str = "INSERT INTO gossamer.crawls (name) SELECT $1::text WHERE NOT EXISTS (SELECT FROM gossamer.crawls WHERE name = $1) \
                                ON CONFLICT DO NOTHING";

/// Takes the lease of crawl `$1` for `$2` with the token `$3` and for `$4` milliseconds, if it has lapsed or was given back, or if its holder had
/// this very token.
pub(super) const TAKE: &str = "UPDATE gossamer.crawls SET epoch = epoch + 1, holder = $2, token = $3, \
                               held_until = clock_timestamp() + $4::bigint * interval '1 ms' \
                               WHERE name = $1 AND (held_until < clock_timestamp() OR token = $3) RETURNING epoch";

/// Renews the lease of crawl `$1`, taken with epoch `$2`, for `$3` milliseconds; not one that was given back while this was on its way.
pub(super) const RENEW: &str = "UPDATE gossamer.crawls SET held_until = clock_timestamp() + $3::bigint * interval '1 ms' \
                                WHERE name = $1 AND epoch = $2 AND token IS NOT NULL";

/// Gives the lease of crawl `$1`, taken with epoch `$2`, back.
pub(super) const GIVE_BACK: &str = "UPDATE gossamer.crawls SET held_until = '-infinity', holder = NULL, token = NULL \
                                    WHERE name = $1 AND epoch = $2";

/// How crawl `$1` stands.
pub(super) const LOOK: &str =
    "SELECT number, groups, epoch, held_until > clock_timestamp(), holder, token FROM gossamer.crawls WHERE name = $1";

/// The crawls there are.
pub(super) const NAMES: &str = "SELECT name FROM gossamer.crawls ORDER BY name";

/// Discards crawl `$1`, held with epoch `$2`, that has the number `$3`: it gets another one.
pub(super) const DISCARD: &str = "WITH fence AS (\
                                  UPDATE gossamer.crawls SET number = nextval('gossamer.numbers') \
                                  WHERE name = $1 AND epoch = $2 AND number = $3 RETURNING 1) \
                                  INSERT INTO gossamer.discarded (number) SELECT $3 FROM fence";

/// Numbers whose rows are of no crawl any more.
pub(super) const DISCARDED: &str = "SELECT number FROM gossamer.discarded";

/// The rows of number `$1` are gone.
pub(super) const FORGET: &str = "DELETE FROM gossamer.discarded WHERE number = $1";

/// Removes some rows of number `$1`: so many that it takes a moment.
pub(super) fn remove_some(table: Table) -> String {
    let name = table.name();
    format!(
        "DELETE FROM gossamer.{name} WHERE crawl = $1 AND key IN (SELECT key FROM gossamer.{name} WHERE crawl = $1 ORDER BY key LIMIT 10000)"
    )
}
