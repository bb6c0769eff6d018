"""The ports of `common.ports`, spoken over gRPC."""
