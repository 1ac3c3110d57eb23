"""Test collections: reading them, checking them, cutting them down, handing them to workers.

`load.load_collection` is the way in: a source is read into a `raw.RawCollection`, `validate` turns
that into a `model.Collection` or refuses it, and `sample` cuts it down where that was asked for.
"""
