"""What is shown of results: composed once, rendered to every format.

* `table`: what a report is made of; `formats`: how numbers are written; `costs`: every cost;
* `run`: the report of a run, of the tables in `systems` and `attribution`; `groups`: several runs;
* `terminal`, `markdown` (escaped by `gfm`), `html`, `latex`, `csv`: a renderer for each format;
* `charts`: the plots; `pictures`, `write`: the files beside results.
"""
