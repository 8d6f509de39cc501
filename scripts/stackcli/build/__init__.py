"""`scripts/stack build`: builds the images and the models; starts nothing."""
