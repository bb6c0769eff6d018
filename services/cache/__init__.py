"""Fast answers: memory, then Redis, then the store, then the chain; never an older one."""
