"""The public door: who may call, how often, how much at once; every client's connection ends here.

In the order data flows. In: `servicer.py` (gRPC, with `convert.py`) or `http/routes.py` (HTTP, inside
`http/middleware.py`) → `auth.py`, `limits/` → `service.py` → `submit.py` → `adapters/coalesced.py` → the other
services. Out: `watch/feed.py` (from the notifier) → `watch/hub.py` → `watch/mailbox.py` → `watch/stream.py` →
`servicer.py`, `http/stream.py` (SSE) or `http/sockets.py` (socket.io), in the JSON of `present.py`.
"""
