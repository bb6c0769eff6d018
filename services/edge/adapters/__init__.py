"""Ports of the edge with concurrent calls made into batches."""
