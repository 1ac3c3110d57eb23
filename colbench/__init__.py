"""colbench: an evaluation and benchmarking harness for late-interaction (ColBERT) retrieval.

The core flows one way; a folder imports only those before it:

    collection → encoder → index → run → measures → retriever → results → report
    → config → experiment

Features stand on the core side by side, each a folder with everything of it: `compare`, `gate`,
`sweep`, `reproduce`, `explain`, `train`. `cli` is the command above them all.
"""

__version__ = "0.1.0"
