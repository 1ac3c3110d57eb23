"""Run layer: what one system retrieved for every query, in memory and as a TREC file."""
