"""The model store's files: the manifest, the releases, and what tuning chose."""
