"""Requests to a server that may do anything: be slow, be broken, or answer without an end.

Every request has a deadline as a whole, whatever trickles in; an answer has a largest size, also
once it is unpacked; a redirect is not followed, so that nothing that was meant for one server
reaches another. A server that is busy or not there yet is asked again.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, TimeoutError

from colbench import __version__
from colbench.collection.raw import short
from colbench.errors import DataError
from colbench.timing import Stopwatch

MOST_BYTES = 64 << 20
"""Size of an answer, unpacked."""

_BUSY = (429, 502, 503, 504)
_LONGEST_WAIT = 30.0
_BLOCK = 1 << 16
_QUOTED = 200


class Client:
    """Sends requests to one server, over connections that are kept.

    Args:
        server: scheme, host and port, such as `http://localhost:8080`.
        timeout: seconds that a request may take.
        retries: how often one is sent again to a server that is busy or cannot be reached.
        backoff: seconds before the first of these; twice as long before each that follows.
        hidden: takes out of a text what no message may say.

    Raises:
        ValueError: the server is not named so.
    """

    def __init__(
        self,
        server: str,
        *,
        timeout: float,
        retries: int,
        backoff: float,
        hidden: Callable[[str], str] = str,
    ) -> None:
        self.server, self.retried = server, 0
        self._timeout, self._retries, self._backoff = timeout, retries, backoff
        self._hidden = hidden
        try:
            self._pool: Any = urllib3.connection_from_url(server, maxsize=64, retries=False)
        except HTTPError as error:
            raise ValueError(f"not the address of a server: {error}") from None
        self._watch = _Watch()
        self._pool.ConnectionCls = _watched(self._pool.ConnectionCls, self._watch)

    def close(self) -> None:
        """Close the connections."""
        self._watch.close()
        self._pool.close()

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> bytes:
        """Return the body of the answer to a request.

        Raises:
            DataError: it could not be had; says why, in one line.
        """
        headers = {
            "User-Agent": f"colbench/{__version__}",
            "Accept-Encoding": "identity",
            **headers,
        }
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                status, content, wait = self._once(method, path, body, headers)
            except (ConnectionError, NewConnectionError, ProtocolError) as error:
                if last or _is_no_http(error):
                    raise DataError(self._unreachable(error)) from None
                status, content, wait = 0, b"", None
            if status not in (0, *_BUSY) or last:
                self._check(method, status, content)
                return content
            self.retried += 1
            pause = self._backoff * 2**attempt if wait is None else wait
            time.sleep(min(pause, _LONGEST_WAIT))
        raise AssertionError("the last attempt returns or raises")

    def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes, float | None]:
        """Return status, body and the seconds that the server wants to be left alone for."""
        with self._watch.until(self._timeout) as watched:
            try:
                response = self._pool.urlopen(
                    method,
                    path,
                    body=body,
                    headers=headers,
                    redirect=False,
                    retries=False,
                    timeout=self._timeout,
                    preload_content=False,
                )
                try:
                    if 300 <= response.status < 400:
                        to = short(str(response.headers.get("Location")))
                        raise DataError(
                            self._hidden(
                                f"{self.server} answers with a redirect to {to}: redirects are "
                                "not followed, set url to where it leads"
                            )
                        )
                    content = self._read(response)
                finally:
                    if not response.isclosed():
                        response.close()
            except NewConnectionError:  # a time-out by its class
                raise
            except TimeoutError:
                watched.late = True
            except (HTTPError, OSError, ValueError) as error:
                if not watched.late:
                    if isinstance(error, ProtocolError | ConnectionError):
                        raise
                    raise DataError(
                        self._hidden(f"{self.server}: the request failed: {_words(error)}")
                    ) from None
        if watched.late:
            raise DataError(
                f"{self.server} did not answer within {self._timeout:g} s: raise timeout_seconds, "
                "or ask for less"
            )
        return response.status, content, _seconds(response.headers.get("Retry-After"))

    def _read(self, response: Any) -> bytes:
        blocks, size = [], 0
        while block := response.read(_BLOCK):
            blocks.append(block)
            size += len(block)
            if size > MOST_BYTES:
                raise DataError(
                    f"{self.server} answers with more than {MOST_BYTES >> 20} MiB: ask for less"
                )
        return b"".join(blocks)

    def _check(self, method: str, status: int, content: bytes) -> None:
        if not 200 <= status < 300:
            reason = http.client.responses.get(status, "")
            raise DataError(
                f"{self.server} answers {method} with {status} {reason}{self.quoted(content)}"
            )

    def quoted(self, content: bytes) -> str:
        """Return how an answer begins, for messages, without what none may say."""
        text = self._hidden(content[: 10 * _QUOTED].decode("utf-8", "replace")).strip()
        text = " ".join(text.split())
        return f": {text[:_QUOTED]}{'…' if len(text) > _QUOTED else ''}" if text else ""

    def _unreachable(self, error: Exception) -> str:
        if _is_no_http(error):
            return self._hidden(f"{self.server} does not answer in HTTP: {_words(error)}")
        again = f" ({self._retries + 1} attempts)" if self._retries else ""
        return self._hidden(
            f"{self.server} cannot be reached{again}: {_words(error)}; is the server running?"
        )


def _is_no_http(error: Exception) -> bool:
    """Return whether what came back was something else than HTTP, so that asking again is no use"""
    inner = error.args[1] if isinstance(error, ProtocolError) and len(error.args) > 1 else None
    return isinstance(inner, http.client.HTTPException) and not isinstance(
        inner, http.client.RemoteDisconnected | http.client.IncompleteRead
    )


def _words(error: BaseException) -> str:
    """Return the innermost reason of an error of urllib3."""
    inner = [one for one in error.args if isinstance(one, BaseException)]
    if inner:
        return _words(inner[0])
    if error.__cause__ is not None and isinstance(error, HTTPError):
        return _words(error.__cause__)
    text = getattr(error, "strerror", None) or str(error)
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__


def _seconds(text: str | None) -> float | None:
    """Return the seconds of a Retry-After; its dates are not looked at."""
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else None


class _Request:
    """A request under way."""

    def __init__(self, seconds: float) -> None:
        self.watch, self.most, self.late = Stopwatch(), seconds, False
        self.socket: socket.socket | None = None


class _Watch:
    """Ends requests whose time is over; libraries bound every read, and not all of them together.

    One thread looks every fifth of a second, so that a request costs two entries in a mapping.
    """

    def __init__(self) -> None:
        self._running: dict[int, _Request] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def until(self, seconds: float) -> Any:
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()
        here = threading.get_ident()
        self._running[here] = request = _Request(seconds)
        try:
            yield request
        finally:
            del self._running[here]

    def uses(self, used: socket.socket | None) -> None:
        """Note the socket of the request that this thread is at."""
        if (request := self._running.get(threading.get_ident())) is not None and used is not None:
            request.socket = used

    def close(self) -> None:
        self._ended.set()

    def _look(self) -> None:
        while not self._ended.wait(0.2):
            for request in list(self._running.values()):
                if request.watch.seconds > request.most and request.socket is not None:
                    request.late = True
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(request.socket, socket.SHUT_RDWR)


def _watched(base: Any, watch: _Watch) -> Any:
    """Return a class of connections whose sockets a `_Watch` knows."""

    class Watched(base):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            watch.uses(self.sock)

        def request(self, *args: Any, **kwargs: Any) -> None:
            watch.uses(self.sock)
            super().request(*args, **kwargs)

    return Watched
