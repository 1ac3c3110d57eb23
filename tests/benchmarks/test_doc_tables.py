"""The tables of the documentation are filled from results, and only where they say so."""

from benchmarks.doc_tables import fill

PAGE = """Before

<!-- table: one -->
| system | what it is | nDCG@10 | query p50, ms | index |
|---|---|---:|---:|---:|
| `colbert_exact` | every document | **0.1111** | 9.99 | 1 B |
| `bm25` | lexical | 0.2222 | 9.99 | 1 B |
<!-- end -->

<!-- table: other -->
| system | nDCG@10 |
|---|---:|
| `bm25` | 0.3 |
<!-- end -->
"""


def test_cells_of_known_columns_are_made_anew_and_the_rest_stays(full_results):
    systems = {system.name: system for system in full_results.systems}
    made = fill("one", PAGE, systems)
    exact = PAGE.replace("**0.1111** | 9.99 | 1 B", "**0.7072** | 41.1 | 3.2 kB")
    assert made == exact.replace("0.2222 | 9.99 | 1 B", "0.6500 | 2.10 | 80 B")
    assert fill("one", made, systems) == made
