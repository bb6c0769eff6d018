"""The life of an intent after acceptance: submit, follow, finish.

In the order data flows: `worker.py` (claims due intents from the store) → `service.py` (the steps, decided by
`model.py`) → `lane.py` (one access key, from `keys.py`: sign, store, send) → `follow.py` (until final, or provably
dead) → back in `service.py`, the move into the store. `servicer.py` is what operators ask.
"""
