"""Fast answers: memory, then Redis, then the store, then the chain; never an older one.

In the order data flows. A status asked for: `servicer.py` → `service.py` → `adapters/memory.py` → `flights.py` (one
load per key) → `levels.py` → `shared.py` around `adapters/redis.py` → store → chain; `model.py` says which of two
wins. A chain view: `servicer.py` → `service.py` → `views.py`. What has changed comes in by `tail.py` from the log.
"""
