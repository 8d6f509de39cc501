"""`scripts/stack sbom`: what the images are made of."""
