"""What is called from Python; `colbench` itself names what of it is public.

    load, given        a collection, from whatever names one; settings, from keyword arguments
    run, live          systems measured; functions and objects among them
    results, evaluate, verdicts    what comes out, and how it is shown
    index              the ColBERT index on its own

Nothing here computes: each function puts together what the core and the features have. Nothing
prints, ends the process or leaves anything behind but files.
"""
