"""A small search service over an application's index: `colbench serve my_index`."""
