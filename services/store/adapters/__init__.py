"""Backends of the storage port: SQLite and MongoDB."""
