"""colbench: an evaluation and benchmarking harness for late-interaction (ColBERT) retrieval.

Data flows one way, and the folders are the layers, lowest first; a layer imports only those
before it:

    collection → encoder → index → run → measures → retriever → results → report
                                                      config, experiment, cli stand on top
"""

__version__ = "0.1.0"
