"""Models that turn texts into vectors, and the cache that keeps document vectors."""
