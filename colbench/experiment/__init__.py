"""Experiment layer: runs configured systems over a collection and assembles the results.

`runner` is the conductor: it loads the collection, lets `worker` processes encode the documents and
measure one system each, evaluates their runs and writes the results. `job` is what travels between
the two.
"""
