"""Folders of token vectors for `dataset=vectors`: `colbench vectors`."""
