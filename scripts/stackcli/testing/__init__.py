"""`scripts/stack test`: what the named tests need is set up, and nothing else; then they run."""
