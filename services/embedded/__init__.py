"""All services in one process, called directly: the composition root of the embedded shape."""
