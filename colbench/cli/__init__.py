"""The `colbench` command."""
