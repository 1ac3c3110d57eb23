"""`colbench serve`: answers searches of an index over HTTP until it is told to end."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colbench.errors import ConfigError, PackagesUnavailable, StorageError

TOKEN_VARIABLE = "COLBENCH_TOKEN"
"""Environment variable with the token that clients must send."""

_OWN_NAMES = ("127.0.0.1", "localhost", "[")
"""Of this machine; the last is what starlette makes of an IPv6 address, which no page has."""

_PACKAGES = ("fastapi", "prometheus_client", "uvicorn")
_SHORTEST_TOKEN = 16
_LONGEST_TOKEN = 4096
_LARGEST_PORT = 65_535

_ABOUT = """\
Serve searches of an index that Colbert has made: POST /search, GET /search?q=…, /health, /metrics,
/docs. It listens on this machine alone; elsewhere it needs a token, in the environment variable
COLBENCH_TOKEN or in a file. Changes that other processes commit are served from the next search on.

examples:
  colbench serve my_index
  colbench serve my_index --port 0 --max-concurrent 32
  COLBENCH_TOKEN=$(openssl rand -hex 32) colbench serve my_index --host 0.0.0.0
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "serve",
        help="serve searches of an application's index over HTTP",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("index", type=Path, help="folder of the index")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=_whole(0, _LARGEST_PORT), default=8000, help="0 for a free one (%(default)s)"
    )
    parser.add_argument("--index-version", help="number or name of a version to serve for good")
    parser.add_argument("--token-file", type=Path, help="file with the token that clients send")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name by which clients may call it; may be repeated",
    )
    limits = (
        ("--max-k", 1000, "documents that a search may ask for"),
        ("--max-queries", 64, "queries in one request"),
        ("--max-body", 1 << 20, "bytes of a request"),
        ("--max-concurrent", 16, "requests that are answered or wait; more get 503"),
        ("--grace", 30, "seconds that what runs may take once it is told to end"),
    )
    for name, default, what in limits:
        parser.add_argument(
            name,
            type=_whole(1, 1 << 30),
            default=default,
            metavar="N",
            help=f"{what} (%(default)s)",
        )
    parser.set_defaults(action=serve)


def _whole(least: int, most: int) -> Any:
    def number(text: str) -> int:
        value = int(text) if text.strip().isdecimal() else least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: a whole number from {least} to {most}")
        return value

    return number


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal ends it.

    Raises:
        PackagesUnavailable: a package of the extra is not installed.
        ConfigError: the address cannot be listened on, or it needs a token.
        StorageError: there is no index, or the token cannot be read.
    """
    look_for_packages()
    token = read_token(options.token_file)
    local = is_loopback(options.host)
    if not local and token is None:
        raise ConfigError(
            f"--host {options.host} can be reached from other machines: set {TOKEN_VARIABLE} or "
            "--token-file, so that only who knows the token can search"
        )
    import uvicorn

    from colbench.application.colbert import Colbert
    from colbench.serve.app import Limits, make_app

    version = options.index_version
    if version is not None and version.isdecimal():
        version = int(version)
    index = Colbert.open(options.index, version=version)
    index.search("warm up", k=1)  # loads model and kernels, so that the first search does not
    limits = Limits(
        k=options.max_k,
        queries=options.max_queries,
        body_bytes=options.max_body,
        concurrent=options.max_concurrent,
    )
    hosts = [*_OWN_NAMES, *options.allow_host] if local else ["*"]
    app = make_app(index, limits, token=token, hosts=hosts)
    with _listening(options.host, options.port) as listener:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{port}"
        print(f"serving {options.index} ({len(index)} documents) at {address}", flush=True)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=options.grace,
            )
        )
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again at its end
            signal.signal(number, lambda *_: None)
        server.run(sockets=[listener])
    print("ended; what ran was answered", flush=True)
    return 0


def look_for_packages() -> None:
    """Look for the packages of the extra.

    Raises:
        PackagesUnavailable: one is not installed.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise PackagesUnavailable(
            f"colbench serve needs {', '.join(missing)}: pip install 'colbench[serve]'"
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(file: Path | None) -> str | None:
    """Return the token of a file, or of the environment; None where there is none.

    Raises:
        StorageError: the file cannot be read.
        ConfigError: the token is too short, or is no printable ASCII.
    """
    if file is None:
        token = os.environ.get(TOKEN_VARIABLE)
        if token is None:
            return None
    else:
        try:
            with file.open("rb") as stream:
                token = stream.read(_LONGEST_TOKEN + 1).decode("ascii", "replace").strip()
        except OSError as error:
            raise StorageError(f"cannot read {file}: {error.strerror or error}") from None
    usable = token.isascii() and token.isprintable() and " " not in token
    if not usable or not _SHORTEST_TOKEN <= len(token) <= _LONGEST_TOKEN:
        raise ConfigError(
            f"the token has to be {_SHORTEST_TOKEN} printable ASCII characters or more, without "
            "spaces: make one with `openssl rand -hex 32`"
        )
    return token


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"--host {host}: {error.strerror or error}") from None
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port"
            ) from None
        yield listener
