"""Imported by the process that victims are forked from, so that each of them is at work at once."""

import tempfile
from pathlib import Path

import killed

with tempfile.TemporaryDirectory() as name:
    killed.first(Path(name) / "index")
