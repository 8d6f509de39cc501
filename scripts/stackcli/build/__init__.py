"""`scripts/stack build`: the images and the models; nothing is started here."""
