"""Every rule an intent must meet before it costs anybody gas; stateless.

In the order data flows: `servicer.py` (with `convert.py`) → `service.py` → `rules/structure.py` → `rules/tokens.py`
→ `rules/amounts.py` → `rules/security.py`, which reads the signed message by `message.py`, checks signatures by
`signatures.py` and asks the cache for keys, nonces and salts through `adapters/bounded.py`.
"""
