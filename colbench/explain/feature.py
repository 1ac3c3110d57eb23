"""What the core knows of this feature."""

from colbench.features import Feature

FEATURE = Feature(name="explain", commands=("colbench.explain.command:add_parser",))
