"""Runs the other model servers and this stack, one after the other, on the same work. Not the generator of `bench`."""
