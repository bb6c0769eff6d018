"""The cache, measured: what memory keeps, what a hit in it costs."""
