"""The life of an intent after acceptance: submit, follow, finish.

In the order data flows: `worker.py` (claims due intents from the store) → `service.py` (the steps, decided by
`model.py`) → `lane.py` (one access key, from `keys.py`: sign, store, send) → `follow.py` (until final, or provably
dead) → back in `service.py`, the move into the store. `solvers.py` says who is asked to solve.

Beside the work: `failures.py` (errors, and what callers are told) and `alerts.py` (what reaches people, over
`webhook.py`); `resolver.py` finds what nobody ends and does what `stuck.py` says; `funds.py` watches what
the relayer can pay; `observer.py` follows what others do on chain. `servicer.py` is what operators ask,
`operating.py` does it, `admission.py` decides who may.
"""
