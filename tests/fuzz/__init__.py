"""Whatever bytes come, the validator answers with a verdict or a typed error, soon, and forgets them."""
