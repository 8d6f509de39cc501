"""What `scripts/stack plan` predicts against what one, two and three replicas do, and the arithmetic from there on."""
