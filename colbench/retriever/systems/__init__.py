"""One module a kind of system; see `colbench.retriever` for how to add one."""
