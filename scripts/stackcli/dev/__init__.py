"""`scripts/stack dev`: each changed line goes into the running stack."""
