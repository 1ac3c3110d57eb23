"""What the core knows of this feature."""

from colbench.features import Feature

FEATURE = Feature(name="compare", commands=("colbench.compare.command:add_parser",))
