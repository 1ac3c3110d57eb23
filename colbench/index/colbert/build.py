"""Building an index: learn from a sample, then code and store every document in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from colbench.errors import ConfigError, DataError, StorageError
from colbench.files import ensure_writable
from colbench.index.colbert import versions
from colbench.index.colbert.documents import Block, Documents, repeated_ids
from colbench.index.colbert.lock import LOCK, writing
from colbench.index.colbert.manifest import (
    FILE_NAME,
    LEFTOVER,
    Extent,
    Growth,
    Manifest,
    write_manifest,
)
from colbench.index.colbert.reduction import POOLED, pool_documents
from colbench.index.colbert.segment import write_segment
from colbench.index.colbert.settings import IndexSettings
from colbench.index.colbert.training import CODEC_FILES, Trained, train
from colbench.index.device import memory_of
from colbench.paths import remove_made
from colbench.progress import bar

FIRST_SEGMENT = "segment-000001"

_OWN = (
    FIRST_SEGMENT,
    versions.FOLDER,
    *CODEC_FILES,
    f"{POOLED}*",
    LOCK,
    LEFTOVER,
    ".*colbench-write-test*",
)


def build_index(
    folder: Path | str,
    documents: Documents,
    settings: IndexSettings,
    *,
    encoder: str,
    trained: Trained | None = None,
    device: str = "cpu",
    keep_versions: bool = False,
    before_commit: Callable[[int], None] | None = None,
) -> None:
    """Build an index into a folder.

    Equal input and settings give equal bytes, on one device and with any number of threads. Where
    no document has a token there is nothing to learn from yet: the index finds nothing, and learns
    from the first documents with tokens that are added.

    Memory is set by `chunk_tokens` and by the sample (`centroids * sample_per_centroid` vectors as
    float16), not by the collection.

    Args:
        folder: new or empty, or left over from a build that did not finish.
        documents: what to index, or none; documents without tokens are kept and never found.
        settings: build parameters.
        encoder: fingerprint of the encoder, checked whenever the index is opened.
        trained: centroids and buckets to use instead of learning new ones; learnt with the same
            settings for what becomes of a vector.
        device: where k-means runs and centroids are found. Another torch device than the CPU may
            choose otherwise between two that are equally near to within rounding.
        keep_versions: whether this commit and all to come can be opened later: see `versions`.
        before_commit: called with the number of the commit, 1, when all but it is done.

    Raises:
        ConfigError: more dimensions are asked for than there are, or a number that cannot be
            packed, or what was trained does not fit.
        DataError: an id occurs twice, or a vector is invalid.
        StorageError: the folder cannot be written or holds something else.
        ColbenchError: the memory of the device is full.
    """
    folder = Path(folder)
    _check(documents, settings)
    if trained is not None:
        _check_trained(trained, documents, settings)
    _refuse_foreign(folder)
    ensure_writable(folder)
    with writing(folder), memory_of(device):
        _refuse_foreign(folder)  # another process may have finished an index in the meantime
        _clear(folder)
        if settings.pooling != documents.pooling:
            documents = pool_documents(documents, settings.pooling, folder / POOLED)
        given = trained is not None
        if trained is None and not documents.tokens:
            trained = Trained.unlearnt(settings, documents.dims)
        trained = trained or train(documents, settings, device)
        centroids = len(trained.codec.centroids)
        codec = trained.save(folder) if centroids else []
        segment = write_segment(
            folder,
            FIRST_SEGMENT,
            trained.code(
                _with_progress(documents, settings.chunk_tokens), pooled_already=True, device=device
            ),
            centroids=centroids,
            width=trained.width,
            halves=settings.nbits == 16,
        )
        holds = Extent(documents=segment.documents, tokens=segment.tokens)
        manifest = Manifest(
            encoder=encoder,
            encoder_dims=documents.dims,
            dims=trained.codec.dims,
            centroids=centroids,
            settings=settings,
            codec=codec,
            segments=[segment],
            growth=Growth.between(trained.learnt, holds) if given else None,
        )
        remove_made(folder / POOLED, inside=folder)
        if keep_versions:
            versions.keep(folder)
            versions.record(folder, manifest)
        if before_commit is not None:
            before_commit(manifest.change)
        write_manifest(folder, manifest)


def _with_progress(documents: Documents, most: int) -> Iterator[Block]:
    with bar(total=len(documents.ids), description="indexing", unit="doc") as progress:
        for block in documents.blocks(most):
            yield block
            progress.update(len(block.ids))


def _check(documents: Documents, settings: IndexSettings) -> None:
    if repeated := repeated_ids(documents.ids):
        raise DataError(f"document id {repeated[0]!r} occurs more than once")
    if documents.pooling not in (1, settings.pooling):
        raise ConfigError(
            f"pooling={settings.pooling}: tokens were merged by {documents.pooling} already"
        )
    dims = settings.dims or documents.dims
    if dims > documents.dims:
        raise ConfigError(f"dims={dims}: the encoder's vectors have {documents.dims} dimensions")
    if settings.nbits < 16 and dims * settings.nbits % 8:
        raise ConfigError(
            f"{dims} dimensions of {settings.nbits} bits do not fill whole bytes: "
            "choose dims that are a multiple of 8"
        )


def _check_trained(trained: Trained, documents: Documents, settings: IndexSettings) -> None:
    for name in ("nbits", "dims", "pooling", "assignment", "seed"):
        learnt, want = getattr(trained.settings, name), getattr(settings, name)
        if learnt != want:
            raise ConfigError(f"{name}={want}: the centroids given were learnt with {learnt}")
    if trained.encoder_dims != documents.dims:
        raise ConfigError(
            f"vectors have {documents.dims} dimensions, the centroids given were learnt from "
            f"{trained.encoder_dims}"
        )


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds anything but what an unfinished build left."""
    if not folder.is_dir():
        return
    if (folder / FILE_NAME).exists():
        raise StorageError(f"{folder} already holds an index: delete it or choose another folder")
    names = sorted(path.name for path in folder.iterdir())
    if foreign := [name for name in names if not any(fnmatchcase(name, own) for own in _OWN)]:
        raise StorageError(f"{folder} holds {foreign[0]!r}: choose an empty folder for the index")


def _clear(folder: Path) -> None:
    """Remove what an unfinished build left."""
    for path in folder.iterdir():
        if path.name != LOCK:
            remove_made(path, inside=folder)
