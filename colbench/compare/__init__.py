"""Two results side by side: settings, effectiveness with tests, costs, queries that moved."""
