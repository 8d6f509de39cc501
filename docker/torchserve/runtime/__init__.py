"""What runs in the container beside TorchServe: the entrypoint that starts and stops it, and the health check.

Standard library only, Python 3.9 and later: it has to run on the official image as it is.
"""
