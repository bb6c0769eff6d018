"""A small NEAR-compatible node for one machine."""
