"""The index beside other engines on the same vectors, the floor of each stage, and growth."""
