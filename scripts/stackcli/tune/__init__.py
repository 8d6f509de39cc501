"""`scripts/stack tune`: finds a model's best settings on this machine."""
