"""Verifying: every record against itself, its reservations, the event log, and the roll-ups.

`run.py` walks: first the log (`log.py`) into a file of its own (`told.py`), then every record, each held against
the rules of one document (`record.py`) and against what the log tells of it (`history.py`). What differs is read
again, record first, then the rest of the log, and is a finding only if both stand still (`findings.py`); `repair.py`
sets right what can only be meant one way.
"""
