"""What the core knows of this feature."""

from colbench.features import Feature

FEATURE = Feature(name="serve", commands=("colbench.serve.command:add_parser",))
