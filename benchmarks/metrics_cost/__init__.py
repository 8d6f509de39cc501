"""What the metrics cost: the same load on TorchServe that counts and on one that does not, by turns."""
