"""The service as an ASGI application: what it answers, and what it refuses."""

from __future__ import annotations

import datetime
import hmac
import json
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import jinja2
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as HTTPError
from starlette.middleware.trustedhost import TrustedHostMiddleware

import colbench
from colbench.application.colbert import Colbert
from colbench.application.results import Result
from colbench.errors import (
    ColbenchError,
    ConfigError,
    DataError,
    StorageUnavailable,
    did_you_mean,
)
from colbench.serve.metrics import Metrics

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
_App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LONGEST_QUERY = 100_000
_OPEN = frozenset({"/health"})
"""Paths that need no token."""

_KNOWN = frozenset({"/search", "/health", "/metrics", "/docs", "/openapi.json"})
_WAIT = "1"
"""Seconds after which a client that was refused may ask again."""


@dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Attributes:
        k: documents of a search.
        queries: in one request.
        body_bytes: of a request.
        concurrent: search requests that are answered or wait at a time.
    """

    k: int = 1000
    queries: int = 64
    body_bytes: int = 1 << 20
    concurrent: int = 16


class SearchRequest(BaseModel):
    """A search."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"query": "what is late interaction?", "k": 5, "filter": {"lang": "en"}}]
        },
    )

    query: str | list[str] = Field(description="a text, or several")
    k: int = Field(10, ge=1, description="documents of each query")
    filter: dict[str, Any] | None = Field(None, description="over metadata; dates in ISO 8601")
    hybrid: bool = Field(False, description="whether BM25 is asked as well, and fused by rank")
    search: str | None = Field(None, description="k10, k100, k1000 or exhaustive")
    align: bool = Field(False, description="whether results say which tokens matched")


class FoundPassage(BaseModel):
    """The passage of a document that scored best."""

    number: int = Field(description="among the passages of its document, from 1")
    count: int = Field(description="passages of the document")
    start: int = Field(description="where it begins in the text, in characters")
    end: int = Field(description="where it ends")
    text: str


class Match(BaseModel):
    """What a query token matched."""

    query_token: str
    document_token: str
    similarity: float


class Found(BaseModel):
    """A document that was found."""

    rank: int = Field(description="from 1")
    score: float = Field(description="MaxSim; of a hybrid search, the sum of reciprocal ranks")
    id: str
    text: str
    metadata: dict[str, Any]
    passage: FoundPassage
    alignment: list[Match] | None = None


class SearchAnswer(BaseModel):
    """The answer to a search."""

    results: list[Found] | list[list[Found]] = Field(
        description="best first; of several queries a list each"
    )
    version: int = Field(description="of the index that was searched")
    seconds: dict[str, float] = Field(description="by stage: filter, encode, search, bm25, texts")


class Health(BaseModel):
    """Whether it answers, and what it serves."""

    status: str
    version: int
    documents: int
    encoder: str
    colbench: str


def make_app(
    index: Colbert, limits: Limits, *, token: str | None = None, hosts: Sequence[str] = ("*",)
) -> _App:
    """Return the service over an index.

    Args:
        index: that is open; where no version was named, commits of others are taken up.
        limits: of requests.
        token: that clients send as `Authorization: Bearer …`; None for none.
        hosts: names by which clients may call it, `*` for any. On loopback a web page could call a
            service by a name of its own that leads there.
    """
    service = _Service(index, limits)
    app = FastAPI(
        title="colbench",
        version=colbench.__version__,
        description='Late-interaction search. A mistake is answered by `{"error": one line}`.',
        docs_url=None,
        redoc_url=None,
    )
    bearer: dict[str, Any] = {} if token is None else {"security": [{"bearer": []}]}

    @app.post("/search", openapi_extra=bearer)
    def search(request: SearchRequest) -> SearchAnswer:
        """Search by text, with a filter over metadata."""
        return service.search(request)

    @app.get("/search", openapi_extra=bearer)
    def search_by_address(
        q: Annotated[str, Query(description="the query")],
        k: Annotated[int, Query(ge=1, description="documents")] = 10,
    ) -> SearchAnswer:
        """Search by text from the address line."""
        return service.search(SearchRequest(query=q, k=k))

    @app.get("/health")
    def health() -> Health:
        """Say whether it answers, and what it serves; needs no token."""
        return service.health()

    @app.get("/metrics", response_class=Response, openapi_extra=bearer)
    def metrics() -> Response:
        """Counts and latency histograms by stage, for Prometheus."""
        text = service.metrics.text(documents=len(index), version=index.version)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    def docs() -> str:
        return _page(app.openapi())

    @app.exception_handler(ColbenchError)
    def told(_: Request, error: ColbenchError) -> JSONResponse:
        return _error(_status(error), str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _error(422, _invalid(error.errors()))

    @app.exception_handler(HTTPError)
    def refused(_: Request, error: HTTPError) -> JSONResponse:
        return _error(error.status_code, str(error.detail), dict(error.headers or {}))

    guarded: _App = _Guard(app, service.metrics, limits.body_bytes, token)
    if "*" not in hosts:
        guarded = TrustedHostMiddleware(guarded, allowed_hosts=list(hosts), www_redirect=False)  # type: ignore[arg-type]
    return guarded


class _Service:
    """The index, and how many search it."""

    def __init__(self, index: Colbert, limits: Limits) -> None:
        self._index = index
        self._limits = limits
        self._places = threading.BoundedSemaphore(limits.concurrent)
        self.metrics = Metrics()

    def search(self, request: SearchRequest) -> SearchAnswer:
        """Answer a search, or refuse it where too many wait."""
        self._check(request)
        if not self._places.acquire(blocking=False):
            raise HTTPException(
                503,
                f"{self._limits.concurrent} requests are answered or wait: try again later",
                {"Retry-After": _WAIT},
            )
        self.metrics.at_work.inc()
        try:
            return self._answer(request)
        finally:
            self.metrics.at_work.dec()
            self._places.release()

    def _answer(self, request: SearchRequest) -> SearchAnswer:
        started, stages = time.perf_counter(), dict[str, float]()
        self._index.refresh()
        opened = self._index.snapshot()
        found = opened.search(
            request.query,
            request.k,
            filter=request.filter,
            hybrid=request.hybrid,
            align=request.align,
            search=request.search,
            timings=stages,
        )
        one = isinstance(request.query, str)
        results = [
            [_found(result) for result in results] for results in ([found] if one else found)
        ]
        self.metrics.searched(time.perf_counter() - started, stages)
        return SearchAnswer(
            results=results[0] if one else results, version=opened.version, seconds=stages
        )

    def _check(self, request: SearchRequest) -> None:
        queries = [request.query] if isinstance(request.query, str) else request.query
        if request.k > self._limits.k:
            raise ConfigError(f"k={request.k}: at most {self._limits.k} documents are returned")
        if len(queries) > self._limits.queries:
            raise ConfigError(
                f"{len(queries)} queries: at most {self._limits.queries} in one request"
            )
        if any(len(query) > _LONGEST_QUERY for query in queries):
            raise ConfigError(f"a query is longer than {_LONGEST_QUERY:,} characters")

    def health(self) -> Health:
        """Return what is served."""
        self._index.refresh()
        return Health(
            status="ok",
            version=self._index.version,
            documents=len(self._index),
            encoder=self._index.model.settings.name,
            colbench=colbench.__version__,
        )


class _Guard:
    """Refuses requests without the token or with too long a body, and counts all of them."""

    def __init__(self, app: _App, metrics: Metrics, body_bytes: int, token: str | None) -> None:
        self._app = app
        self._metrics = metrics
        self._body_bytes = body_bytes
        self._token = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"] if scope["path"] in _KNOWN else "other"

        async def counted(message: Scope) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(path, message["status"])
            await send(message)

        headers = dict(scope["headers"])
        if self._token is not None and scope["path"] not in _OPEN:
            sent = headers.get(b"authorization", b"")
            if not hmac.compare_digest(sent, self._token):
                asked = {"WWW-Authenticate": "Bearer"}
                answer = _error(401, "send the token as Authorization: Bearer TOKEN", asked)
                await answer(scope, receive, counted)
                return
        body = await self._body(headers, receive)
        if body is None:
            answer = _error(413, f"the request is longer than {self._body_bytes:,} bytes")
            answer.headers["Connection"] = "close"
            await answer(scope, receive, counted)
            return
        given = False

        async def replayed() -> Scope:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replayed, counted)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """Return the body of a request; None where it is too long."""
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and int(told) > self._body_bytes:
            return None
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b""
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._body_bytes:
                return None
            if not message.get("more_body", False):
                return b"".join(parts)


def _found(result: Result) -> Found:
    passage, alignment = result.passage, None
    if result.alignment is not None:
        found = result.alignment
        alignment = [
            Match(
                query_token=token,
                document_token=found.document_tokens[winner],
                similarity=similarity,
            )
            for token, winner, similarity in zip(
                found.query_tokens,
                found.winners.tolist(),
                found.contributions.tolist(),
                strict=True,
            )
        ]
    return Found(
        rank=result.rank,
        score=result.score,
        id=result.id,
        text=result.text,
        metadata={name: _plain(value) for name, value in result.metadata.items()},
        passage=FoundPassage(
            number=passage.number,
            count=passage.count,
            start=passage.start,
            end=passage.end,
            text=passage.text,
        ),
        alignment=alignment,
    )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime.date) else value


def _invalid(errors: Sequence[Any]) -> str:
    """Say in one line what is wrong with a request."""
    unknown = [error for error in errors if error["type"] == "extra_forbidden"]
    first = (unknown or errors)[0]
    where = ".".join(str(part) for part in first["loc"][1:2])
    if unknown:
        return f"unknown key {where[:80]!r}: {did_you_mean(where, SearchRequest.model_fields)}"
    return f"{where or 'the request'}: {first['msg']}"[:500]


def _status(error: ColbenchError) -> int:
    if isinstance(error, StorageUnavailable):
        return 503
    return 400 if isinstance(error, ConfigError | DataError) else 500


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers)


_PAGE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>colbench</title>
<style>body{font:16px/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}
pre,code{background:#f4f4f4;padding:.1rem .3rem}pre{padding:.6rem;overflow:auto}</style>
<h1>{{ info.title }} {{ info.version }}</h1><p>{{ info.description }}
The whole description is in <a href="openapi.json">openapi.json</a>.</p>
{% for path, methods in paths.items() %}{% for method, one in methods.items() %}
<h2><code>{{ method|upper }} {{ path }}</code></h2><p>{{ one.description }}</p>
{% if one.parameters %}<ul>{% for p in one.parameters %}<li><code>{{ p.name }}</code>:
{{ p.description }}</li>{% endfor %}</ul>{% endif %}
{% endfor %}{% endfor %}
<h2>A search</h2><pre>curl -H 'Content-Type: application/json' -d '{{ example }}' \
http://HOST:PORT/search</pre>
<ul>{% for name, key in keys.items() %}<li><code>{{ name }}</code>: {{ key.description }}</li>
{% endfor %}</ul></html>
"""


def _page(description: dict[str, Any]) -> str:
    """Return the description for people; it loads nothing from elsewhere, as FastAPI's own does."""
    request = description["components"]["schemas"]["SearchRequest"]
    return (
        jinja2.Environment(autoescape=True)
        .from_string(_PAGE)
        .render(
            info=description["info"],
            paths=description["paths"],
            keys=request["properties"],
            example=json.dumps(request["examples"][0]),
        )
    )
