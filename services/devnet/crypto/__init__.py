"""What the node's contracts check signatures with: nothing of it is the services', so that each can prove the other."""
