//! The database's layout and how it grows from version to version.

use rusqlite::Connection;

use super::failure::Failure;

/// What each version added, applied in order; `user_version` counts them. Only ever append: files of every version are out there.
const MIGRATIONS: [&str; 3] = [include_str!("schema.sql"), include_str!("schema2.sql"), include_str!("schema3.sql")];

/// The version this build reads and writes.
const VERSION: i64 = MIGRATIONS.len() as i64;

/// Marks a SQLite file as an item store: "GOSS".
const APPLICATION_ID: i64 = 0x474f_5353;

/// Brings a database to this build's layout: an empty one gets it, an older one grows.
///
/// # Errors
/// [`Failure::Refused`] for a database of a newer version or of another program, which is left as it is.
pub(super) fn bring_up_to_date(connection: &Connection) -> Result<(), Failure> {
    if version(connection)? == VERSION {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Asked again under the lock: another process may have been faster.
    let from = version(connection)?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or_default()) {
        connection.execute_batch(migration)?;
    }
    connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT"))?;
    Ok(())
}

/// Whether a database can be read as it is.
///
/// # Errors
/// [`Failure::Refused`] when it has another layout than this build's.
pub(super) fn check_readable(connection: &Connection) -> Result<(), Failure> {
    match version(connection)? {
        VERSION => Ok(()),
        0 => Err(Failure::Refused("it is empty, not an item store".to_owned())),
        older => Err(Failure::Refused(format!("its layout is version {older}, older than {VERSION}: open it once with itemsaver --store"))),
    }
}

/// The version of an item store, at most [`VERSION`]; 0 for an empty database.
fn version(connection: &Connection) -> Result<i64, Failure> {
    let number = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 && version == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID || version < 1 {
        return Err(Failure::Refused("it is a SQLite database of another program, not an item store".to_owned()));
    }
    if version > VERSION {
        return Err(Failure::Refused(format!("its layout is version {version}; this build knows versions up to {VERSION}")));
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(statements: &str) -> String {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(statements).unwrap();
        match bring_up_to_date(&connection) {
            Err(Failure::Refused(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_empty_database_gets_the_layout_once() {
        let connection = Connection::open_in_memory().unwrap();
        assert!(check_readable(&connection).is_err());
        bring_up_to_date(&connection).unwrap();
        bring_up_to_date(&connection).unwrap();
        check_readable(&connection).unwrap();
    }

    #[test]
    fn a_newer_layout_is_refused_by_its_version() {
        let newer = format!("CREATE TABLE a (b); PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 4");
        assert_eq!(refusal(&newer), "its layout is version 4; this build knows versions up to 3");
    }

    #[test]
    fn a_database_of_another_program_is_left_alone() {
        let reason = "it is a SQLite database of another program, not an item store";
        assert_eq!(refusal("CREATE TABLE a (b)"), reason);
        assert_eq!(refusal("CREATE TABLE a (b); PRAGMA user_version = 1"), reason);
    }
}
