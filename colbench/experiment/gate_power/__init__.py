"""Is the gate right? False alarms and power, on real rankings.

`variants` makes the rankings, each a run of its own; `damage` spoils those of the plain run;
`trials` draws sets of queries and asks the gate's own tests for their verdict; `conductor` puts all
together.
"""
