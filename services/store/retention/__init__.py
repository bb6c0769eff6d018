"""Dropping the oldest events of the log, each archived before it goes. See docs/adr/0007-retention.md."""
