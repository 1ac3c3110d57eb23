"""Index layer: vectors on disk and the kernels that score them, blind to systems and queries' text.

* `tokens`: uncompressed fp16 token vectors, memory-mapped;
* `maxsim`: exact MaxSim by blocked GEMM, for many queries at once or for given documents;
* `dense`: one vector per document in a faiss index.
"""
