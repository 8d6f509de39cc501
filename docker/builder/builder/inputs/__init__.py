"""What a model is made from: downloaded files, and weights."""
