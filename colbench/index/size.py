"""What an index weighs, file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class IndexSize:
    """Size of a built index.

    Attributes:
        vectors: stored vectors; 0 for a lexical index.
        dims: dimensions of each; 0 for a lexical index.
        vector_bytes: bytes of the indexes that hold the vectors.
        files: path relative to the index folder → bytes. Every file a search needs counts.
        fixed_bytes: those of `vector_bytes` that are not the vectors' own: headers, offsets, lists,
            graphs, manifests. None where that is not known.
    """

    vectors: int = 0
    dims: int = 0
    vector_bytes: int = 0
    files: dict[str, int] = field(default_factory=dict)
    fixed_bytes: int | None = None

    @property
    def bytes(self) -> int:
        """Bytes of all files together."""
        return sum(self.files.values())

    @classmethod
    def of_folder(
        cls, folder: Path, *, vectors: int = 0, dims: int = 0, payload: int | None = None
    ) -> IndexSize:
        """Measure every file below `folder`.

        Args:
            folder: of the index.
            vectors: that it stores; 0 for a lexical index.
            dims: of each.
            payload: bytes of the vectors themselves; None where that is not known.
        """
        files = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        total = sum(files.values()) if vectors else 0
        fixed = None if payload is None else total - payload
        return cls(vectors, dims, total, files, fixed)

    @classmethod
    def together(cls, parts: Mapping[str, IndexSize | None]) -> IndexSize | None:
        """Join the indexes of a composed system; each file is prefixed with its part's name.

        Returns:
            None where that of a part is not known.

        >>> parts = {"a": IndexSize(2, 4, 16, {"v": 16}, 8), "b": IndexSize(files={"t": 5})}
        >>> IndexSize.together(parts)
        IndexSize(vectors=2, dims=4, vector_bytes=16, files={'a/v': 16, 'b/t': 5}, fixed_bytes=8)
        """
        sizes = {name: part for name, part in parts.items() if part is not None}
        if len(sizes) < len(parts):
            return None
        fixed = [part.fixed_bytes for part in sizes.values() if part.vectors]
        known = [count for count in fixed if count is not None]
        files = {f"{name}/{file}": n for name, p in sizes.items() for file, n in p.files.items()}
        return cls(
            vectors=sum(part.vectors for part in sizes.values()),
            dims=max((part.dims for part in sizes.values()), default=0),
            vector_bytes=sum(part.vector_bytes for part in sizes.values()),
            files=files,
            fixed_bytes=sum(known) if known and len(known) == len(fixed) else None,
        )
