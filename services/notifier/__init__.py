"""Telling people: the event log, once to each edge however many of its clients watch.

In the order data flows: `servicer.py` → `service.py` → `feed.py`, one for each edge: its subscriptions come up, the
log is followed through the port of `ports.py`, and each event goes down once with the position after it.
"""
