"""A reference model of the store, and a machine that makes any calls in any order to both and compares.

`model.py` (what must happen) ← `values.py` (calls) → `world.py` (two replicas) → `writing.py`, `reading.py`,
`faults.py` (the rules).
"""
