"""What the core knows of this feature."""

from colbench.features import Feature

FEATURE = Feature(
    name="train",
    settings="colbench.train.settings:TrainSettings",
    group=True,
    listed_as="recipes",
    commands=("colbench.train.command:add_parser",),
)
