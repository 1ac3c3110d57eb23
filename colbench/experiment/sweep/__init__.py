"""A sweep: one system at every point of a grid, each index built once for all its searches.

Finished points stay in `<output>/.points` and are not measured again, so a sweep that was
interrupted goes on where it stopped, and one that grew measures what is new.
"""
