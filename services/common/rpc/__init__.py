"""gRPC runtime shared by all services: server, channel, deadlines, errors, coalescing, process life."""

import os

# gRPC's core writes lines of its own to stderr for every connection that goes; it reads this once, when loaded
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
