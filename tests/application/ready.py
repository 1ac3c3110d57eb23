"""Imported by the process that victims are forked from, so that each of them is at work at once."""

import tempfile
from pathlib import Path

import victim

with tempfile.TemporaryDirectory() as name:
    victim.first(Path(name) / "index")
