"""Paired measurements: `python -m bench NAME [--quick] [--json FILE]`."""
