"""The model store's files: the manifest, the releases and the tuned settings."""
