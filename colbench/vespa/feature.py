"""What the core knows of this feature."""

from colbench.features import Feature

FEATURE = Feature(name="vespa", commands=("colbench.vespa.command:add_parser",))
