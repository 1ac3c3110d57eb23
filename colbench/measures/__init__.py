"""Measures layer: how good a run is, whether two differ, how fast and how large a system is.

* `catalogue`: the names of effectiveness measures;
* `effectiveness`: their values per query, computed by ranx;
* `significance`: paired tests against a reference, Holm-corrected;
* `bootstrap`: confidence intervals of paired mean differences;
* `overlap`: how much of one ranking is in another;
* `latency` and `memory`: what a search costs.
"""
