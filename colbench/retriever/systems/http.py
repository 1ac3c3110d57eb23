"""A search server behind HTTP, of whatever make: how it is asked, and where its answer has the ids.

The server is expected to hold the collection. What is measured is what a client sees: the request,
the network, the server, and the checking of the answer. Neither its memory nor its index is known.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple
from urllib.parse import quote, urlsplit

import jmespath  # type: ignore[import-untyped]
import regex
from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped]
from pydantic import Field, field_validator, model_validator

from colbench.collection.raw import short
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings, Form
from colbench.errors import ConfigError, DataError
from colbench.hits import Hits
from colbench.index.size import IndexSize
from colbench.retriever.base import SystemSettings
from colbench.retriever.http_client import Client
from colbench.retriever.outside import OutsideSystem
from colbench.retriever.templates import as_text, fill_json, fill_text, in_json, placeholders

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECRET = re.compile(r"auth|token|secret|cookie|password|api-?key", re.IGNORECASE)
_FORMS = {"vector": Form.DENSE, "vectors": Form.TOKENS, "vectors_by_number": Form.TOKENS}


class HttpSettings(SystemSettings):
    """How a server is asked and its answer read."""

    verbatim: ClassVar[frozenset[str]] = frozenset({"url", "ids", "scores", "id_pattern"})

    url: str = Field(description="address; {query}, {k} and vectors are URL-encoded in it")
    method: Literal["GET", "POST", "PUT"] | None = Field(
        None, description="null for POST where there is a body, else GET"
    )
    body: Any = Field(
        None,
        description="JSON, or a text of any kind; {query}, {k}, {vector}, {vectors} and "
        "{vectors_by_number} are put in, other braces left alone",
    )
    headers: dict[str, str] = Field({}, description="sent as they are; part of the results")
    headers_from_env: dict[str, str] = Field(
        {}, description="header → environment variable that has its value, which nothing records"
    )
    ids: str = Field(description="JMESPath of the ids in the answer, best first")
    scores: str | None = Field(
        None, description="JMESPath of as many scores; null where the order is all there is"
    )
    higher_is_better: bool = Field(True, description="false where the scores are distances")
    id_pattern: str | None = Field(
        None, description="regular expression of a whole id, whose one group is the document's"
    )
    ids_are: Literal["ids", "positions"] = Field(
        "ids", description="positions where the server numbers documents, from 0, in their order"
    )
    encoder: EncoderSettings | None = Field(
        None, description="model of {vector}, and of the token vectors {vectors}"
    )
    timeout_seconds: float = Field(30.0, gt=0, description="of a request as a whole")
    retries: int = Field(
        3, ge=0, le=20, description="further attempts after 429, 502, 503, 504 and lost connections"
    )
    backoff_seconds: float = Field(
        0.5, ge=0, le=30, description="before the first retry, twice as long before each next"
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            plain = parts.hostname and parts.port != 0
        except ValueError as error:
            raise ValueError(f"not an address: {error}") from None
        if parts.scheme not in ("http", "https") or not plain or "{" in parts.netloc:
            raise ValueError("write http://HOST:PORT/PATH, placeholders in the path or the query")
        if "@" in parts.netloc:
            raise ValueError("leave user and password out: a header in headers_from_env has them")
        return url

    @field_validator("headers", "headers_from_env")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name) or not value.isascii() or not value.isprintable():
                raise ValueError(f"{name!r} is no header, or its value is not printable ASCII")
        return headers

    @field_validator("headers")
    @classmethod
    def _have_no_secrets(cls, headers: dict[str, str]) -> dict[str, str]:
        if secret := next((name for name in headers if _SECRET.search(name)), None):
            raise ValueError(
                f"results would hold the value of {secret}: set an environment variable to it and "
                f"name that, headers_from_env.{secret}=MY_VARIABLE"
            )
        return headers

    @field_validator("ids", "scores")
    @classmethod
    def _is_jmespath(cls, expression: str | None) -> str | None:
        try:
            if expression is not None:
                jmespath.compile(expression)
        except JMESPathError as error:
            told = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(f"not JMESPath: {told}") from None
        return expression

    @field_validator("id_pattern")
    @classmethod
    def _has_one_group(cls, pattern: str | None) -> str | None:
        try:
            if pattern is not None and regex.compile(pattern).groups != 1:
                raise ValueError("one group (…) is needed: what it finds is the document's id")
        except regex.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern

    @model_validator(mode="after")
    def _asks_something(self) -> HttpSettings:
        used = self.placeholders
        if not used - {"k"}:
            raise ValueError("neither url nor body has {query}, {vector} or {vectors} in it")
        if self.forms and self.encoder is None:
            raise ValueError("vectors are put in: name their model, such as encoder: ${encoder}")
        return self

    @property
    def placeholders(self) -> set[str]:
        """What is put in for each query."""
        return placeholders(self.url) | placeholders(self.body)

    @property
    def forms(self) -> set[Form]:
        """The forms of vectors that are put in."""
        return {_FORMS[name] for name in self.placeholders if name in _FORMS}

    @property
    def server(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def models(self) -> list[EncoderSettings | CrossEncoderSettings]:
        """The encoder, where vectors are put in."""
        return [self.encoder] if self.forms and self.encoder is not None else []

    def announcement(self) -> str:
        """Where queries go, and what of the environment goes with them."""
        names = sorted(set(self.headers_from_env.values()))
        variables = f", with the environment variables {', '.join(names)}" if names else ""
        return f"queries go to {self.server}{variables}"


class Asked(NamedTuple):
    """A query and what is put in for it."""

    text: str
    values: dict[str, Any]


class HttpSystem(OutsideSystem):
    """Asks a server for each query."""

    Settings = HttpSettings
    concurrent = True
    memory_is_known = False
    _client: Client | None = None

    def prepare(self) -> None:
        """Read the headers from the environment and load the encoder.

        Raises:
            ConfigError: a variable is not set.
        """
        settings: HttpSettings = self.settings
        self._secrets: list[str] = []
        headers = dict(settings.headers)
        for name, variable in settings.headers_from_env.items():
            value = os.environ.get(variable)
            if not value:
                raise ConfigError(
                    f"the environment variable {variable} is not set: it has the header {name} of "
                    f"system '{self.name}'"
                )
            if not value.isprintable() or not value.isascii():
                raise ConfigError(
                    f"the environment variable {variable} has no value for a header: it is not "
                    "printable ASCII"
                )
            headers[name] = value
            self._secrets += [value, *value.split()]
        known = {name.lower() for name in headers}
        if settings.body is not None and "content-type" not in known:
            headers["Content-Type"] = "application/json"
        self._headers = headers
        kind = next((v for name, v in headers.items() if name.lower() == "content-type"), "")
        self._escaped = (
            in_json if "json" in kind else _in_url if "x-www-form-urlencoded" in kind else as_text
        )
        self._secrets.sort(key=len, reverse=True)
        self._encoders = {
            form: self.bench.encoder(settings.encoder, form)
            for form in sorted(settings.forms)
            if settings.encoder is not None
        }
        self._client = Client(
            settings.server,
            timeout=settings.timeout_seconds,
            retries=settings.retries,
            backoff=settings.backoff_seconds,
            hidden=self._without_secrets,
        )
        self._ids = jmespath.compile(settings.ids)
        self._scores = None if settings.scores is None else jmespath.compile(settings.scores)
        self._pattern: Any = regex.compile(settings.id_pattern) if settings.id_pattern else None

    def build(self) -> None:
        """Nothing: the server holds the collection."""

    def encode(self, queries: Sequence[str]) -> list[Asked]:
        """Return each query with its vectors, where any are put in."""
        wanted = self.settings.placeholders
        found: list[dict[str, Any]] = [{} for _ in queries]
        for form, encoder in self._encoders.items():
            for values, matrix in zip(found, encoder.encode_queries(queries), strict=True):
                rows = matrix.tolist()
                if form is Form.DENSE:
                    values["vector"] = rows[0]
                    continue
                values["vectors"] = rows
                if "vectors_by_number" in wanted:
                    values["vectors_by_number"] = {str(n): row for n, row in enumerate(rows)}
        return [Asked(text, values) for text, values in zip(queries, found, strict=True)]

    def ask(self, query: Asked, k: int) -> Hits:
        """Send one request and take the answer apart."""
        settings: HttpSettings = self.settings
        assert self._client is not None
        values = {**query.values, "query": query.text, "k": k}
        path = fill_text(settings.url.removeprefix(settings.server) or "/", values, _in_url)
        body = self._body(values)
        method = settings.method or ("GET" if body is None else "POST")
        content = self._client.request(method, path, body, self._headers)
        ids, scores = self._results(content)
        return self.answers.hits(query.text, ids, scores, k)

    def _body(self, values: Mapping[str, Any]) -> bytes | None:
        template = self.settings.body
        if template is None:
            return None
        if isinstance(template, str):
            return fill_text(template, values, self._escaped).encode()
        return json.dumps(fill_json(template, values)).encode()

    def _results(self, content: bytes) -> tuple[list[Any], list[Any] | None]:
        settings: HttpSettings = self.settings
        assert self._client is not None
        if not content.strip():
            raise DataError(f"{settings.server} answers with nothing")
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            raise DataError(
                f"{settings.server} answers with what is not JSON{self._client.quoted(content)}"
            ) from None
        ids = self._found(self._ids, "ids", answer, content)
        if self._scores is None:
            scores = None
        else:
            scores = self._found(self._scores, "scores", answer, content)
            if not settings.higher_is_better:
                scores = [-one if type(one) in (int, float) else one for one in scores]
        if settings.ids_are == "positions":
            documents = self.bench.collection.doc_ids
            ids = [
                documents[one] if type(one) is int and 0 <= one < len(documents) else one
                for one in ids
            ]
        if self._pattern:
            ids = [self._without_the_rest(one) for one in ids]
        return ids, scores

    def _found(self, expression: Any, key: str, answer: Any, content: bytes) -> list[Any]:
        assert self._client is not None
        try:
            found = expression.search(answer)
        except (JMESPathError, RecursionError) as error:
            found = error
        if isinstance(found, list):
            return found
        what = (
            "finds nothing"
            if found is None
            else f"fails: {str(found).splitlines()[0]}"
            if isinstance(found, Exception)
            else f"finds {type(found).__name__} and no list"
        )
        raise DataError(
            self._without_secrets(f"{key}: {short(expression.expression)} {what} in the answer of ")
            + f"{self.settings.server}{self._client.quoted(content)}"
        )

    def _without_the_rest(self, name: Any) -> str:
        try:
            fits = self._pattern.fullmatch(str(name), timeout=1)
        except TimeoutError:
            fits = None
        if fits is None:
            raise DataError(f"the id {short(str(name))} does not fit id_pattern")
        return str(fits[1])

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def size(self) -> IndexSize | None:
        """None: it is the server's."""
        return None

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def notes(self, queries: Sequence[str]) -> list[str]:
        """Say what of the answers was left out, and what was sent again."""
        again = self._client.retried if self._client is not None else 0
        told = f"{self.name}: requests sent again, which its times include: {again}"
        return [*([told] if again else []), *super().notes(queries)]


def _in_url(value: Any) -> str:
    return quote(as_text(value), safe="")


SYSTEM = HttpSystem
