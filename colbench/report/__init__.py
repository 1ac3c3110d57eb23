"""What is shown of results: composed once, rendered to every format.

* `table`: what a report is made of; `formats`: how numbers are written; `costs`: every cost;
* `run`: the report of a run; `finding`: its first sentences; `systems`, `details`, `attribution`:
  its tables, which have `rows` in common; `groups`: several runs; `tidy`: all values as one table;
* `terminal`, `markdown` (escaped by `gfm`), `html`, `latex`, `csv`: a renderer for each format;
* `charts`: the plots; `pictures`, `write`: the files beside results.
"""
