"""The store: the record of every intent and the log of its moves."""
