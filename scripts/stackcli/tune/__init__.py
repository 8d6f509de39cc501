"""`scripts/stack tune`: a model's best setting on this machine."""
