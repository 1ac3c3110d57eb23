"""What the core knows of this feature."""

from colbench.features import Feature

FEATURE = Feature(name="reproduce", commands=("colbench.reproduce.command:add_parser",))
