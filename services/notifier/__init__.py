"""Telling people: the event log, once to each edge however many of its clients watch."""
