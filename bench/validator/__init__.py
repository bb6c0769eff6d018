"""What checking an intent costs beside its signature: `python -m bench validator`."""
