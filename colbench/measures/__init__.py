"""Measures layer: how good a run is, whether two differ, how fast and how large a system is.

Quality: `catalogue` has the names, `effectiveness` the values per query, `overlap` how much of one
ranking is in another, `ties` when two values are the same. Differences: `significance` (two-sided,
Holm-corrected, for reports), `paired` (one-sided, for a gate), `bootstrap` (intervals). Costs:
`latency`, `machine` (fixed workloads, peak memory), and `pareto` for what nothing beats in both.
"""
