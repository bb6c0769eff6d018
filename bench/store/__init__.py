"""The store, measured: moves, the way of an event, the cost of size, group commit."""
