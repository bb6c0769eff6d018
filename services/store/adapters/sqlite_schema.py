"""Tables and indexes of the SQLite store."""

import sqlite3
from typing import Final

LISTED: Final = ("token", "other_token", "solver_id")
"""Columns of intents that came later, for lists: other_token is NULL where it is the same, solver_id where none is."""
WATCHED: Final = ("version_status", "open_until_ms", "held_ms")
"""Columns that came later, for what is overdue: a move changes them a few times in an intent's life. version_status is
NULL where an earlier version wrote the row: it is filed when the file is opened."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
  key TEXT PRIMARY KEY, intent_id TEXT NOT NULL, content_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nonces (
  key TEXT PRIMARY KEY, intent_id TEXT NOT NULL, content_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (
  id TEXT PRIMARY KEY, principal TEXT NOT NULL, content_hash TEXT NOT NULL, created_ms INTEGER NOT NULL,
  user_id TEXT NOT NULL, action TEXT NOT NULL, token TEXT,
  other_token TEXT, solver_id TEXT, version_status TEXT, open_until_ms INTEGER, held_ms INTEGER,
  status TEXT NOT NULL, next_action_ms INTEGER, lease_owner TEXT,
  document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS intent_hashes (
  intent_id TEXT NOT NULL, hash TEXT NOT NULL, made_ms INTEGER NOT NULL,
  PRIMARY KEY (intent_id, hash)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS intents_newest ON intents (created_ms, id);
CREATE INDEX IF NOT EXISTS intents_newest_by_status ON intents (status, created_ms, id);
CREATE INDEX IF NOT EXISTS intents_newest_by_user ON intents (user_id, created_ms, id);
CREATE INDEX IF NOT EXISTS intents_newest_by_user_status ON intents (user_id, status, created_ms, id);
CREATE INDEX IF NOT EXISTS intents_newest_by_action ON intents (action, created_ms, id);
CREATE INDEX IF NOT EXISTS intents_page ON intents (principal, created_ms, id);
CREATE INDEX IF NOT EXISTS intents_newest_by_principal_status ON intents (principal, status, created_ms, id);
DROP INDEX IF EXISTS intents_status;
DROP INDEX IF EXISTS intents_user;
CREATE INDEX IF NOT EXISTS intents_due ON intents (next_action_ms, id) WHERE next_action_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS intents_due_by_user ON intents (user_id, next_action_ms, id)
  WHERE next_action_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS intents_owner ON intents (lease_owner) WHERE lease_owner IS NOT NULL;
CREATE TABLE IF NOT EXISTS events (
  partition INTEGER NOT NULL, sequence INTEGER NOT NULL, document BLOB NOT NULL,
  PRIMARY KEY (partition, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (
  kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, document BLOB NOT NULL,
  PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS solver_stats (
  solver_id TEXT PRIMARY KEY, success_rate REAL NOT NULL, avg_execution_time REAL NOT NULL,
  executions INTEGER NOT NULL, successes INTEGER NOT NULL, seconds REAL NOT NULL) WITHOUT ROWID;
"""
_LATER: Final = """
CREATE INDEX IF NOT EXISTS intents_newest_by_token ON intents (principal, token, created_ms, id);
CREATE INDEX IF NOT EXISTS intents_newest_by_other_token ON intents (principal, other_token, created_ms, id)
  WHERE other_token IS NOT NULL;
CREATE INDEX IF NOT EXISTS intents_newest_by_solver ON intents (principal, solver_id, created_ms, id)
  WHERE solver_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS intents_newest_by_hash ON intent_hashes (hash, made_ms, intent_id);
CREATE INDEX IF NOT EXISTS intents_open ON intents (open_until_ms, id) WHERE open_until_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS intents_held ON intents (held_ms, id) WHERE held_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS intents_written_past ON intents (version_status, status, created_ms, id)
  WHERE status <> version_status;
CREATE INDEX IF NOT EXISTS intents_unfiled ON intents (id) WHERE version_status IS NULL;
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Makes what is not there yet, also in a file of an earlier version. Several may do so at once."""
    connection.executescript(_TABLES)
    if _lacking(connection):
        connection.execute("BEGIN IMMEDIATE")
        for name in _lacking(connection):
            kind = "INTEGER" if name.endswith("_ms") else "TEXT"
            connection.execute(f"ALTER TABLE intents ADD COLUMN {name} {kind}")
        connection.execute("COMMIT")
    connection.executescript(_LATER)


def _lacking(connection: sqlite3.Connection) -> list[str]:
    there = {row[1] for row in connection.execute("PRAGMA table_info(intents)")}
    return [name for name in (*LISTED, *WATCHED) if name not in there]
