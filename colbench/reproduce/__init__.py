"""Published figures beside what this machine measures."""
