"""What the edge costs: the same load straight to TorchServe and through the edge, in turns."""
