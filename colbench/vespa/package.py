"""The application package: a schema with the token vectors, and rank profiles that score them.

A document of Vespa is a document of the index, and its passages are a dimension of its tensor, so
that it scores as its best passage: MaxSim is a sum over query tokens of the maximum over the tokens
of a passage, and the score of a document the maximum of that over its passages.

    vectors    tensor<float>(passage{}, token{}, x[dims])      what search scores, decompressed
    bits       tensor<int8>(passage{}, token{}, x[dims / 8])   their signs, eight to a byte
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colbench.application.metadata import Type
from colbench.errors import ConfigError

SCHEMA = "doc"
"""Name of the schema, of its documents, and of the content cluster's document type."""

VARIANTS = ("float", "bits")

MOST_HITS = 10_000
"""Documents that a query may ask for; Vespa's own limit, 400, is less than a run asks for."""

_TYPES: Mapping[str, str] = {
    "string": "string",
    "number": "double",
    "boolean": "bool",
    "date": "long",
    "strings": "array<string>",
}
_PLAIN = re.compile(r"[a-z][a-z0-9_]*")
_MOST = 40


def field_names(fields: Mapping[str, Type]) -> dict[str, str]:
    """Return a name that Vespa takes for each field of metadata, and for no two the same.

    >>> field_names({"year": "number", "Größe": "string", "meta": "string", "größe": "date"})
    {'year': 'meta_year', 'Größe': 'meta_gr_e', 'meta': 'meta_meta', 'größe': 'meta_gr_e_2'}
    """
    names: dict[str, str] = {}
    for field in fields:
        plain = re.sub(r"[^a-z0-9_]+", "_", field.lower())[:_MOST].strip("_") or "field"
        name, number = f"meta_{plain}", 1
        while name in names.values():
            number += 1
            name = f"meta_{plain}_{number}"
        names[field] = name
    return names


def make_package(
    name: str, dims: int, fields: Mapping[str, Type], variants: Sequence[str], rerank: int
) -> Any:
    """Return pyvespa's application package.

    Args:
        name: of the application: small letters, digits and underscores.
        dims: of a token vector.
        fields: of the metadata.
        variants: of the token vectors, some of `VARIANTS`.
        rerank: documents that MaxSim scores in the second phase, on each content node.

    Raises:
        ConfigError: the vectors cannot be packed, or there is no such variant.
    """
    from vespa.package import (
        ApplicationPackage,
        Document,
        Field,
        FieldSet,
        FirstPhaseRanking,
        Function,
        QueryField,
        QueryProfile,
        RankProfile,
        Schema,
        SecondPhaseRanking,
    )

    check_variants(variants, dims)
    columns = [
        Field("doc_id", "string", ["attribute", "summary"], attribute=["fast-search"]),
        Field("text", "string", ["index", "summary"], index="enable-bm25"),
    ]
    names = field_names(fields)
    for field, kind in fields.items():
        columns.append(Field(names[field], _TYPES[kind], ["attribute", "summary"]))
    if "float" in variants:
        columns.append(Field("vectors", _tensor("float", dims), ["attribute"]))
    if "bits" in variants:
        columns.append(Field("bits", _tensor("int8", dims // 8), ["attribute"]))
    profiles = [
        RankProfile("bm25", FirstPhaseRanking("bm25(text)"), inputs=_inputs(dims)),
    ]
    for variant in variants:
        scored = "maxsim" if variant == "float" else "maxsim_bits"
        function = Function(scored, maxsim(variant))
        profiles += [
            RankProfile(
                f"bm25_{scored}",
                FirstPhaseRanking("bm25(text)"),
                functions=[function],
                second_phase=SecondPhaseRanking(scored, rerank_count=rerank),
                inputs=_inputs(dims),
            ),
            RankProfile(
                scored, FirstPhaseRanking(scored), functions=[function], inputs=_inputs(dims)
            ),
        ]
    schema = Schema(
        SCHEMA,
        Document(fields=columns),
        fieldsets=[FieldSet("default", ["text"])],
        rank_profiles=profiles,
    )
    return ApplicationPackage(
        name,
        schema=[schema],
        query_profile=QueryProfile([QueryField("maxHits", MOST_HITS)]),
    )


def maxsim(variant: str) -> str:
    """Return the ranking expression of MaxSim over a variant of the token vectors.

    >>> maxsim("float").count("reduce")
    2
    """
    stored = "attribute(vectors)"
    if variant == "bits":  # signs: 1 for a bit, -1 without one
        stored = "2 * unpack_bits(attribute(bits)) - 1"
    matched = f"sum(query(qt) * ({stored}), x)"
    best = f"reduce({matched}, max, token)"
    return f"reduce(sum({best}, querytoken), max, passage)"


def check_variants(variants: Sequence[str], dims: int) -> None:
    """Refuse variants that there are not, or that cannot be packed.

    Raises:
        ConfigError: says which.
    """
    for variant in variants:
        if variant not in VARIANTS:
            raise ConfigError(f"unknown variant {variant!r}: choose from {', '.join(VARIANTS)}")
    if not variants:
        raise ConfigError(f"no variant: choose from {', '.join(VARIANTS)}")
    if "bits" in variants and dims % 8:
        raise ConfigError(f"{dims} dimensions do not fill whole bytes: leave the variant bits out")


def application_name(folder: Path) -> str:
    """Return a name of an application that Vespa takes, from that of a folder.

    >>> application_name(Path("My index 2")), application_name(Path("2020"))
    ('myindex2', 'index2020')
    """
    plain = re.sub(r"[^a-z0-9]+", "", folder.name.lower())[:30]
    return plain if _PLAIN.fullmatch(plain) else f"index{plain}"


def _tensor(cells: str, columns: int) -> str:
    return f"tensor<{cells}>(passage{{}},token{{}},x[{columns}])"


def _inputs(dims: int) -> list[tuple[str, str]]:
    return [("query(qt)", f"tensor<float>(querytoken{{}},x[{dims}])")]
