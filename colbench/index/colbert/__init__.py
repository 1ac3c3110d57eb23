"""The ColBERT index: ColBERTv2's residual compression and PLAID's search, persistent, incremental.

    settings       build parameters, search parameters
    documents      what goes in
    reduction, clustering, assignment, codec, training    from vectors to codes
    clustering_device, assignment_device                  two of them on a GPU, through torch
    manifest, arrays, segment, lock                       what lies on disk
    build, index, writer                                  build, open, change
    kernels, stages, search                               the stages of a search, and their order

    build_index(folder, Documents.of(ids, vectors, dims), IndexSettings(nbits=2), encoder="…")
    index = ColbertIndex.open(folder, encoder="…")
    found = Searcher(index, SearchSettings(nprobe=4)).search(query, k=10)

A searching process needs numpy and numba alone: torch and faiss are loaded where an index is built
or changed.
"""
