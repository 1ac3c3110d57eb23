"""Tells how many inputs every loader was tried on."""

from __future__ import annotations

from trying import EXAMPLES, LONG, READ, SEED, TRIED


def pytest_terminal_summary(terminalreporter):
    if not TRIED:
        return
    how = f"{EXAMPLES} a property, COLBENCH_FUZZ_SEED={SEED}" if LONG else "the same every time"
    terminalreporter.section(f"inputs tried ({how})")
    for loader, count in sorted(TRIED.items()):
        terminalreporter.write_line(f"{count:>9,}  {loader}, {READ[loader]:,} of them were read")
    terminalreporter.write_line(f"{sum(TRIED.values()):>9,}  in all")
