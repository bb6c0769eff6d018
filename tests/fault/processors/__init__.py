"""One fault each, met by our processor and by one in the seed's form, over a real devnet.

`naive.py` is the seed's IntentProcessor in Python, `ground.py` what both stand on, `cases.py` the faults and what each
processor makes of them, `test_cases.py` holds both to that table and to docs/reliability.md.
"""
