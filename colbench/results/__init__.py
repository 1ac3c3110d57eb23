"""Results layer: the one file other programs read, typed, documented and validated."""
