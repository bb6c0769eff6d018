"""Two judges of one message, written apart: the validator, and the contract on devnet. They must agree."""
