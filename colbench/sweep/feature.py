"""What the core knows of this feature."""

from colbench.features import Feature

FEATURE = Feature(
    name="sweep",
    settings="colbench.sweep.settings:SweepSettings",
    task="colbench.sweep.command:sweep",
    examples=(
        "colbench run experiment=sweep_compression dataset=beir/scifact",
        "colbench run -m index.nbits=1,2,4 search=k10,k100 systems=colbert",
    ),
    run_options="colbench.sweep.command:add_options",
)
