"""What the core knows of this feature."""

from colbench.features import Feature

FEATURE = Feature(name="token_vectors", commands=("colbench.token_vectors.command:add_parser",))
"""`colbench vectors`: write or check a folder that `dataset=vectors` searches."""
