"""The algebra of compositions and their generations."""
