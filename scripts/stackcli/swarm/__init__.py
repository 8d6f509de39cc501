"""`scripts/stack swarm`: the stack on a Docker Swarm."""
