"""Compares the predictions of `scripts/stack plan` with one, two and three replicas, and extrapolates."""
