"""One system in every combination of a grid: `task=sweep`, and Hydra's multirun as one table."""
