"""Fixtures of the fault suite, and the table of its trials at the end."""

from __future__ import annotations

import pytest
from stopping import Stopping
from trials import COLUMNS, table
from victim import Victims


@pytest.fixture(scope="session")
def victims(fork_server):
    return Victims(fork_server)


@pytest.fixture(scope="session")
def stopping(victims, tmp_path_factory):
    """Operations by name, each prepared and measured once."""
    prepared: dict[str, Stopping] = {}

    def of(name):
        if name not in prepared:
            prepared[name] = Stopping(victims, name, tmp_path_factory.mktemp(name))
        return prepared[name]

    return of


def pytest_terminal_summary(terminalreporter):
    if not table:
        return
    terminalreporter.section("fault trials")
    rows = [(name, *(str(row[key]) for key in COLUMNS)) for name, row in table.items()]
    totals = [str(sum(row[key] for row in table.values())) for key in COLUMNS]
    for row in (("operation", *COLUMNS), *rows, ("total", *totals)):
        cells = [row[0].ljust(24), *(cell.rjust(12) for cell in row[1:])]
        terminalreporter.write_line("".join(cells))
