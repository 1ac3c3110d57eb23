"""The inner loops of an index: numba, and a little machine code that numba inlines.

`floats` and `bytes_reference` run on any processor; `bytes_vnni` gives the bits of the latter
faster where the processor multiplies bytes. Nothing here knows of files or settings.
"""
