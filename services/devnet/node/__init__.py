"""The chain itself: decoding, state, blocks, execution, storage."""
