"""`scripts/stack up` and `down`: the stack, started and stopped."""
