"""The way in, measured: 64 submitters at the edge, against a naive fan-out and against a bare edge."""
