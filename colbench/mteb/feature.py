"""What the core knows of this feature."""

from colbench.features import Feature

FEATURE = Feature(name="mteb", commands=("colbench.mteb.command:add_parser",))
