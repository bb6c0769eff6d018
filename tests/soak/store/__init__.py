"""The store alone under kills: writers and watchers over gRPC hold what it acknowledged against what is left.

`plan.py` (when what is killed) → `place.py` (the processes) → `writers.py`, `follow.py` (those at work) → `ledger.py`
(what they were promised) → `check.py` (whether it was kept) → `soak.py` (a run), as `kill.py` and `server.py`.
"""
