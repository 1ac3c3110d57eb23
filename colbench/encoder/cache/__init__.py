"""The embedding cache: every text goes through a model once."""
