"""Late-interaction engines of others, each run in a Python environment of its own."""
