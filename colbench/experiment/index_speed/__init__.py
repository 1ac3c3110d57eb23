"""How fast an index is built and searched, beside peers, floors and growth.

    settings   what is measured
    vectors    documents and queries as files, the oracle, effectiveness
    own        our index: one process that builds, a fresh one that searches
    searcher   that fresh process, without torch
    floors     what the machine can do: products, memory; exhaustive products as rows of the table
    growth     the same at growing sizes
    record     what is written
    conductor  all of it in order; finished parts are kept, an interrupted run goes on
    picture    overlap and nDCG against latency
    markdown   the report

Every engine sees the same vectors, searches one query at a time, and is compared with the same
oracle: exact MaxSim over the uncompressed vectors.
"""
