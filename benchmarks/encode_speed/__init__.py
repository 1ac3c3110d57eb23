"""How fast each backend and precision encodes, and what that costs in effectiveness."""
