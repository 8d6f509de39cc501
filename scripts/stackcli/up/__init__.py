"""`scripts/stack up` and `down`: starts and stops the stack."""
