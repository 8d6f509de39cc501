"""What a model is made from: files that are fetched, and weights."""
