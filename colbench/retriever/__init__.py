"""Retriever layer: a system is anything that ranks a collection's documents for a query.

Adding a system is one module in `colbench/retriever/systems/` and one file in `conf/system/`:

1. a `SystemSettings` subclass with the system's parameters and its `kind`, the module's name;
2. a `Retriever` subclass with `build`, `encode`, `search` and `size`, named in `SYSTEM`;
3. `conf/system/<name>.yaml` with `kind`, `about` and the parameters.

Nothing else needs to know about it: `colbench list systems`, the process isolation, the latency
measurement and the report pick it up.
"""
