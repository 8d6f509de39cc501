"""`scripts/stack sbom`: lists the components of the images."""
