"""gRPC runtime shared by all services: server, channel, deadlines, errors, coalescing, process life."""
