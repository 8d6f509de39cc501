"""`scripts/stack dev`: applies each source change to the running stack."""
