"""Runs TorchServe in the container: the entrypoint that prepares, starts and stops it, releases, and the health check.

Works with Python 3.9 and later, because the official image has 3.9. Beyond the standard library it needs `contract`,
PyYAML and, if there is a key to verify records with, securesystemslib and cryptography.
"""
