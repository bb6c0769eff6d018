"""A small NEAR-compatible node for one machine.

In the order data flows: `rpc/http.py` → `rpc/handler.py` → `rpc/transactions.py` (or `rpc/views.py` to read) →
`node/transaction.py` (borsh) → `node/validate.py` → `node/chain.py` (pool and blocks) → `node/execute.py` →
`node/runtime.py` (a receipt) → `contracts/verifier.py`, `contracts/solver.py` → `node/storage.py` (a block, durable).
Faults come in by `faults/`; `rpc/vantage.py` (a request's node) and `rpc/troubles.py` (the chain) ask it.
"""
