"""What the ops are: declarations, one block an op, by family."""
