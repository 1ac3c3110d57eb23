"""Peers: other late-interaction engines, run on the same vectors as colbench's own index.

A peer needs packages that colbench cannot share, so it has a Python environment of its own and is
reached through files. `run` starts `PYTHON SCRIPT JOB.json` there, one process for a build and a
fresh one for the searches. `SCRIPT` is the peer's module in this folder: it imports the standard
library, numpy, torch and the peer, never colbench, and `harness`, its sibling, does all that peers
have in common.

The job, with paths as strings:

    action          "build", "search" or "version"
    vectors         .npy, float16, (tokens, dims): the documents' tokens, one document after another
    lengths         .npy, int64, (documents,): tokens of each document, at least one
    queries         .npy, float32, (query tokens, dims)
    query_lengths   .npy, int64, (queries,)
    folder          where the index is or will be
    threads, seed   of every library
    build           the peer's own settings of a build
    search          list of the peer's own settings of a search, each with a "name" beside them
    k               documents wanted for each query
    trials, warmup  passes over the queries that are timed; queries searched before
    timed           how many queries take part in every pass, the first ones; null: all
    reply           where the reply is written

The replies are `run.BuildReply`, `run.SearchReply` and `run.VersionReply`. A peer that fails leaves
none: it ends with status 1 and a last line on standard error that says why. A search setting that
fails is reported in the reply and the others are still searched.

To add a peer, write `NAME.py` here with a class that is a `harness.Peer` and hand an instance to
`harness.main`, as `fast_plaid` does, and describe it in `conf/peer/NAME.yaml`.
"""
