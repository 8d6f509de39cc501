"""`scripts/stack plan`: simulates, from bench results, how many replicas a request rate needs."""
