"""Copies of an SQLite store: made while it serves, and put back as a store of a new identity."""
