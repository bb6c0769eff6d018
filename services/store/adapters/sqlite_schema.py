"""Tables and indexes of the SQLite store."""

from typing import Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
  key TEXT PRIMARY KEY, intent_id TEXT NOT NULL, content_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nonces (
  key TEXT PRIMARY KEY, intent_id TEXT NOT NULL, content_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (
  id TEXT PRIMARY KEY, principal TEXT NOT NULL, content_hash TEXT NOT NULL, created_ms INTEGER NOT NULL,
  user_id TEXT NOT NULL, action TEXT NOT NULL, status TEXT NOT NULL, next_action_ms INTEGER, lease_owner TEXT,
  document BLOB NOT NULL);
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
