"""The store: the record of every intent and the log of its moves.

In the order data flows: `servicer.py` (with `convert.py`) → `service.py` → `creating.py`, `claiming.py` or
`moving.py`, under the rules of `model.py` and `fit.py` → `document.py` → `adapters/sqlite.py` or `adapters/mongo.py` →
`relay.py` (MongoDB: outbox into the event log; SQLite writes both in one transaction) → `log.py`, from which others
read. What is asked of a database stands in `ports.py`.

Beside that way: `listing.py` and `overdue.py` read records by one index each, `keys.py` leases the processors' access
keys, `rollups/` folds the log into statistics, `retention/` archives and drops its beginning. What operators run is in
`admin/`: `verify/` compares all with all, `migrating/` brings records up to date and adopts another system's,
`resolving.py` settles what a person must decide, `backup/` copies and puts back.
"""
