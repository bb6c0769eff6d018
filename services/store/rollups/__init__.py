"""Roll-ups: the event log folded into counts, so that statistics cost what is asked for and not what is stored.

One document per scope and time (`keys.py`) holds a tally (`tally.py`, times as `histogram.py`) and, by partition of the
log, the sequence of the last event in it. `fold.py` carries events into them (`moves.py`: what an event counts for),
`read.py` answers queries, `check.py` recomputes them from the records. Why so: docs/adr/0008-rollups.md.
"""
