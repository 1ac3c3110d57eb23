"""What the core knows of this feature."""

from colbench.features import Feature

FEATURE = Feature(
    name="gate",
    settings="colbench.gate.rules:GateRules",
    complete="colbench.gate.rules:completed",
    group=True,
    listed_as="gates",
    after_run="colbench.gate.command:gate_after",
    examples=("colbench run experiment=quickstart gate=default gate.baseline=results/quickstart",),
    commands=("colbench.gate.command:add_parser", "colbench.gate.accept:add_parser"),
)
