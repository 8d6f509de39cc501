"""`scripts/stack plan`: how many replicas serve a rate, simulated from what bench has measured."""
