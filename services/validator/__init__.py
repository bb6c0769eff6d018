"""Every rule an intent must meet before it costs anybody gas; stateless.

In the order data flows: `servicer.py` (with `convert.py`) → `service.py` → `rules/structure.py` → `rules/tokens.py`
→ `rules/amounts.py` → `prepare.py`, which reads the signed message by `usual.py` or, where that has no answer, by
`message.py` → `signatures.py`, by the standard out of `standards/` and its curve → the cache for keys, nonces, salts
and holdings through `adapters/bounded.py` → `rules/signature.py` → `rules/terms.py` → `rules/chain.py` →
`rules/holdings.py`.
`walk.py` takes a submission through the table, briskly for a verdict or thoroughly for an explanation, which
`explain.py` and `values.py` put into words. What a rule is stands in `rules/rule.py`; `rules/__init__.py` is the table
that says which there are, and their order. A file of rules ends with its well, which asks for all of them at once.
A signed message on its own goes another way: `messages/reading.py` reads it by `messages/kinds.py` and
`messages/fields.py` before the first stage, and `messages/rules/` are its rules, those on signatures and nonces shared.
Which tokens and accounts are let in is `registry.py`, by the names of `ids.py`; `files.py` reads its file and watches
it through `adapters/watched.py`, and so the prices (`ports.py`, `adapters/prices.py`) that `rules/price.py` asks.
"""
