"""Did search get worse? A candidate's results held against a baseline's, by declared rules.

The data: `sides` opens both, `judge` asks `effectiveness`, `identity`, `guards` and `costs`, and
the outcome is a `colbench.results.gate.GateReport`, shown by `colbench.report.gate`. To gate
something else, write a function that returns verdicts or guards and let `judge` call it.
"""
