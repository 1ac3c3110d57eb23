"""One system at every point of a grid: `task=sweep`, and Hydra's multirun as one table."""
