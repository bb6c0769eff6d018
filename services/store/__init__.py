"""The store: the record of every intent and the log of its moves.

In the order data flows: `servicer.py` (with `convert.py`) → `service.py` → `creating.py`, `claiming.py` or
`moving.py`, under the rules of `model.py` → `document.py` → `adapters/sqlite.py` or `adapters/mongo.py` → `relay.py`
(MongoDB: outbox into the event log; SQLite writes both in one transaction) → `log.py`, from which others read.
"""
