"""Runs of minutes that look for what no single test provokes; `python -m tests.soak` lists them."""
