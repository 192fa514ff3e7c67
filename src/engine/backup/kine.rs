//! What is in a database of kine, which k3s keeps its objects in: whether it is sound, how many objects of which kind. The
//! database may be anybody's: it is read in memory, with SQLite's guards on, and for a bounded time.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use kwo_planner::plain::{counted, one_line};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the table of kine has.
const COLUMNS: [&str; 9] =
    ["id", "name", "created", "deleted", "create_revision", "prev_revision", "lease", "value", "old_value"];
/// How long a database may be looked at.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many kinds are told apart.
const KINDS: usize = 2000;
/// How long the name of a kind is, at most.
const NAME: usize = 120;
/// Where the nodes are.
const NODES: &str = "/registry/minions/";

/// What is in a database of k3s.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Facts {
    /// How many rows it has: one for each version of an object that is kept.
    pub rows: u64,
    /// The newest revision.
    pub revision: i64,
    /// How many objects there are.
    pub objects: u64,
    /// How many of each kind, in the order of their names.
    pub kinds: Vec<KindCount>,
    /// The version of k3s that a node has.
    pub k3s: Option<String>,
}

/// A kind with the number of its objects.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct KindCount {
    /// What the API calls it: `secrets`, `helmcharts.helm.cattle.io`.
    pub name: String,
    /// How many there are.
    pub objects: u64,
}

/// A database in memory that was not looked at yet.
pub(super) struct Held(Connection);

/// Takes a database of this length from a reader.
pub(super) fn hold(from: impl Read, size: u64) -> Result<Held, String> {
    if size == 0 {
        return Err("its database is empty".to_owned());
    }
    let open = || -> rusqlite::Result<Connection> {
        let mut held = Connection::open_in_memory()?;
        held.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        held.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        held.pragma_update(None, "temp_store", "MEMORY")?;
        held.pragma_update(None, "cell_size_check", true)?;
        let size = usize::try_from(size).map_err(|_| Error::InvalidQuery)?;
        held.deserialize_read_exact("main", from, size, true)?;
        Ok(held)
    };
    open().map(Held).map_err(|error| told(&error))
}

impl Held {
    /// Looks at it, if it is sound.
    pub(super) fn facts(&self) -> Result<Facts, String> {
        let handle = self.0.get_interrupt_handle();
        let (done, ends) = channel::<()>();
        let clock = thread::spawn(move || {
            if ends.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        let facts = looked(&self.0);
        drop(done);
        let _ = clock.join();
        facts
    }
}

fn looked(held: &Connection) -> Result<Facts, String> {
    let failed = |error: Error| told(&error);
    // kine makes tables and indexes. Everything else would run what whoever wrote the database has thought of: views, triggers,
    // and the modules of virtual tables, which an integrity check also asks.
    let other: Option<String> = held
        .query_row(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'table'
             UNION ALL SELECT name FROM sqlite_schema WHERE type NOT IN ('table', 'index') LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()
        .map_err(failed)?;
    if let Some(other) = other {
        let other = one_line(&cut(&other, NAME)).into_owned();
        return Err(format!("`{other}` in it is neither a table nor an index, so it is no database of k3s"));
    }
    let table = "SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND name = 'kine'";
    if held.query_row(table, [], |_| Ok(())).optional().map_err(failed)?.is_none() {
        return Err("it has no table `kine`, so it is no database of k3s".to_owned());
    }
    let columns = columns(held).map_err(failed)?;
    if let Some(missing) = COLUMNS.iter().find(|name| !columns.contains(**name)) {
        return Err(format!("its table `kine` has no column `{missing}`, so it is no database of k3s"));
    }
    if let Some(other) = runs(held).map_err(failed)? {
        let other = one_line(&cut(&other, NAME)).into_owned();
        return Err(format!(
            "`{other}` in it has expressions that kine does not make, so it is no database of k3s"
        ));
    }
    let unsound = unsound(held).map_err(failed)?;
    if !unsound.is_empty() {
        return Err(format!("SQLite finds that {}", unsound.join("; ")));
    }
    let (rows, revision): (i64, i64) = held
        .query_row("SELECT count(*), coalesce(max(id), 0) FROM kine", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(failed)?;
    if rows <= 0 {
        return Err("its table `kine` is empty".to_owned());
    }
    let kinds = kinds(held).map_err(failed)?;
    let objects = kinds.iter().map(|kind| kind.objects).sum();
    Ok(Facts { rows: rows.unsigned_abs(), revision, objects, kinds, k3s: version(held) })
}

/// The columns of the table, as far as they are no more than that.
fn columns(held: &Connection) -> rusqlite::Result<std::collections::BTreeSet<String>> {
    let mut asked = held.prepare("SELECT name FROM pragma_table_xinfo('kine') WHERE hidden = 0")?;
    asked.query_map([], |row| row.get(0))?.collect()
}

/// A table or an index with expressions, which an integrity check would run for each row. kine makes one index of a part of
/// the rows, by comparisons alone.
fn runs(held: &Connection) -> rusqlite::Result<Option<String>> {
    let computed = "SELECT s.name FROM sqlite_schema s, pragma_table_xinfo(s.name) x WHERE s.type = 'table' AND x.hidden <> 0
        UNION ALL
        SELECT s.name FROM sqlite_schema s, pragma_index_xinfo(s.name) x WHERE s.type = 'index' AND x.cid = -2 LIMIT 1";
    if let Some(found) = held.query_row(computed, [], |row| row.get(0)).optional()? {
        return Ok(Some(found));
    }
    let mut asked = held.prepare("SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let mut rows = asked.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, sql) = (row.get_ref(1)?.as_bytes()?, row.get_ref(2)?.as_bytes()?);
        let runs = match kind {
            b"table" => at(sql, b"CHECK").is_some(),
            _ => at(sql, b"WHERE").and_then(|from| sql.get(from..)).is_some_and(|part| {
                ["(", "LIKE", "GLOB", "MATCH", "REGEXP"]
                    .iter()
                    .any(|word| at(part, word.as_bytes()).is_some())
            }),
        };
        if runs {
            return row.get(0).map(Some);
        }
    }
    Ok(None)
}

/// Where a word is in SQL, however it is written.
fn at(sql: &[u8], word: &[u8]) -> Option<usize> {
    sql.windows(word.len()).position(|part| part.eq_ignore_ascii_case(word))
}

/// What SQLite finds wrong in it.
fn unsound(held: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut asked = held.prepare("PRAGMA integrity_check(3)")?;
    let found: Vec<String> = asked.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let lines = found.iter().flat_map(|text| text.lines()).filter(|line| *line != "ok");
    Ok(lines.take(3).map(|line| one_line(&cut(line, 200)).into_owned()).collect())
}

/// How many objects there are of each kind: of each name the newest row says whether it is still there.
fn kinds(held: &Connection) -> rusqlite::Result<Vec<KindCount>> {
    let mut asked = held.prepare("SELECT CAST(name AS TEXT), deleted, max(id) FROM kine GROUP BY name")?;
    let mut rows = asked.query([])?;
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let deleted: Option<i64> = row.get(1)?;
        let name = row.get_ref(0)?.as_str().unwrap_or_default();
        let Some(kind) = kind(name).filter(|_| deleted.unwrap_or_default() == 0) else { continue };
        if found.len() < KINDS || found.contains_key(&kind) {
            *found.entry(kind).or_default() += 1;
        }
    }
    Ok(found.into_iter().map(|(name, objects)| KindCount { name, objects }).collect())
}

/// The kind of an object, by the name under which the API server keeps it.
fn kind(name: &str) -> Option<String> {
    let mut parts = name.strip_prefix("/registry/")?.split('/');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next());
    let kind = match (first, second) {
        (_, "") => return None,
        // What the API server keeps for itself.
        ("ranges" | "masterleases" | "health" | "peerserverleases", _) => return None,
        ("services", "specs") => "services".to_owned(),
        ("services", "endpoints") => "endpoints".to_owned(),
        ("minions", _) => "nodes".to_owned(),
        // Of a group: `/registry/helm.cattle.io/helmcharts/kube-system/traefik`.
        (group, kind) if group.contains('.') && third.is_some() => format!("{kind}.{group}"),
        (kind, _) => kind.to_owned(),
    };
    Some(one_line(&cut(&kind, NAME)).into_owned())
}

/// The version of k3s, which a node says in its status: `v1.37.1+k3s1`.
fn version(held: &Connection) -> Option<String> {
    let newest =
        "SELECT value FROM kine WHERE name >= ?1 AND name < ?2 AND deleted = 0 ORDER BY id DESC LIMIT 1";
    let value = held.query_row(newest, [NODES, "/registry/minions0"], |row| row.get::<_, Vec<u8>>(0));
    let value = value.optional().ok()??;
    let at = value.windows(4).position(|part| part == b"+k3s")?;
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let before = value.get(..at)?.iter().rev().take(30).take_while(|byte| part(byte)).count();
    let after = value.get(at + 1..)?.iter().take(20).take_while(|byte| part(byte)).count();
    let text = std::str::from_utf8(value.get(at - before..at + 1 + after)?).ok()?;
    let from =
        text.find('v').filter(|from| text[from + 1..].starts_with(|char: char| char.is_ascii_digit()))?;
    Some(text[from..].to_owned())
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn told(error: &Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => {
            format!(
                "SQLite was not done with it after {}",
                counted(PATIENCE.as_secs() / 60, "minute", "minutes")
            )
        }
        _ => one_line(&cut(&error.to_string(), 200)).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_object_is_read_from_its_name() {
        for (name, expected) in [
            ("/registry/secrets/shop/db", Some("secrets")),
            ("/registry/namespaces/shop", Some("namespaces")),
            ("/registry/services/specs/shop/web", Some("services")),
            ("/registry/services/endpoints/shop/web", Some("endpoints")),
            ("/registry/minions/node-1", Some("nodes")),
            ("/registry/helm.cattle.io/helmcharts/kube-system/traefik", Some("helmcharts.helm.cattle.io")),
            ("/registry/apiregistration.k8s.io/apiservices/v1.", Some("apiservices.apiregistration.k8s.io")),
            ("/registry/ranges/serviceips", None),
            ("/registry/health", None),
            ("/registry/secrets/", None),
            ("/bootstrap/0123456789ab", None),
            ("compact_rev_key", None),
            ("", None),
        ] {
            assert_eq!(kind(name).as_deref(), expected, "{name}");
        }
        assert!(!kind("/registry/a\u{1b}[31m/b").unwrap().contains('\u{1b}'));
    }
}
