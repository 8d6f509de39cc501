"""`scripts/stack test`: sets up only what the named tests need, then runs them."""
