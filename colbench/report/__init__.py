"""Report layer: made from `results.json` alone, so any report can be made again later."""
