"""Two results side by side.

* `pairing`: which system of A stands beside which of B, and when A and B cannot be compared;
* `changes`: settings and facts that differ;
* `effectiveness`, `costs`, `moved`: what that did to measures, costs and single queries;
* `compute`: all of it together;
* `sections`: the tables of it, which `terminal` and `markdown` show.
"""
