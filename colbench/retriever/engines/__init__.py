"""Late-interaction engines of others, each run in a Python environment of its own.

An engine is a file, `builtin/fast_plaid.py` or one of the user's. colbench reads what it declares
(`declaration`) without running it, and starts `harness.py` with it in the Python that has the
engine (`process`).
"""
