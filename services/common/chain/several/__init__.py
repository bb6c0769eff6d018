"""The Chain port over several endpoints of one chain, whichever chain it is: docs/adr/0015-several-endpoints.md.

`endpoints.py` knows how each stands, `survey.py` compares their final blocks, `chain.py` asks them, `second.py` wants
a second word for what ends something.
"""
