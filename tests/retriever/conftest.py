"""Fixtures of systems from outside."""

import threading

import pytest
from http_server import Server


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
