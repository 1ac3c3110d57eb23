"""What a gate found, shown.

* `words`: how costs, rules and the two sides are written; `findings`: what counts, in sentences;
* `sections`: the tables, which `terminal` and `markdown` show;
* `junit`, `annotations`: the same for what shows tests and for GitHub.
"""
