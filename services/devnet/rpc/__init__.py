"""NEAR JSON-RPC in front of the node."""
