"""What the validator takes, the chain takes; what it refuses by the protocol's rules, the chain would have refused."""
