"""From texts to matrices: how long texts are, which share a forward pass, and the pass itself.

A pass costs what its longest text costs times the number of texts, so texts of like length share
one, and a budget of tokens bounds it rather than a number of texts: short texts go in larger
batches. A batch that is taken out leaves the cuts between the others where they were, because the
size of each follows from its own longest text; an interrupted run resumes on that.

The steps of a pass are those of `encode` in sentence-transformers; taken apart here, so that a
batch is tokenised while the pass of the one before it runs, and holds the texts it was planned for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.backends.runtime import autocast
from colbench.encoder.base import Arithmetic
from colbench.encoder.settings import Form
from colbench.encoder.tokens import prompt_of
from colbench.errors import ColbenchError
from colbench.vectors import Vectors


def plan_batches(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Return the positions of the texts of each batch, longest texts first.

    Args:
        lengths: tokens read of each text; equal ones stay in the order given.
        budget: tokens of one batch, padding among them; a longer text is a batch of its own.

    >>> [batch.tolist() for batch in plan_batches(np.array([2, 9, 3, 4]), budget=8)]
    [[1], [3, 2], [0]]
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    first = 0
    while first < len(order):
        end = first + max(budget // max(int(lengths[order[first]]), 1), 1)
        batches.append(order[first:end])
        first = end
    return batches


Features = dict[str, Any]


def preprocess(model: Any, texts: Sequence[str], task: str) -> Features:
    """Return the tokenised texts, padded to the longest of them.

    Args:
        model: a SentenceTransformer or MultiVectorEncoder.
        texts: of one batch.
        task: document or query.
    """
    features: Features = model.preprocess(list(texts), prompt=prompt_of(model, task), task=task)
    return features


def forward(
    model: Any, features: Features, task: str, form: Form, arithmetic: Arithmetic
) -> list[Vectors]:
    """Return one float32 matrix per text of a batch.

    Raises:
        ColbenchError: the memory of the device is too small for the batch, or the model cannot run
            on texts of this length.
    """
    with _running(model, features, task, arithmetic) as moved:
        return _matrices(model(moved, task=task), form)


def forward_both(
    models: Mapping[Form, Any], features: Features, task: str, arithmetic: Arithmetic
) -> dict[Form, list[Vectors]]:
    """Return the same in several forms, from one pass through the transformer.

    Args:
        models: form → model; the transformer of the first is run, and each has the same one.
        features: of a batch, as the first model reads it.
        task: document or query.
        arithmetic: of all models.

    Raises:
        ColbenchError: as of `forward`.
    """
    first = next(iter(models.values()))
    with _running(first, features, task, arithmetic) as moved:
        hidden = _part(first, 0, moved, task)
        found = {}
        for form, model in models.items():
            output = dict(hidden)
            for number in range(1, len(model)):
                output = _part(model, number, output, task)
            found[form] = _matrices(output, form)
        return found


def _part(model: Any, number: int, features: Features, task: str) -> Features:
    """Run one module, as `forward` of sentence-transformers does."""
    name, module = list(model.named_children())[number]
    wanted = {*(model.module_kwargs or {}).get(name, ()), *getattr(module, "forward_kwargs", ())}
    output: Features = module(features, **({"task": task} if "task" in wanted else {}))
    return output


@contextlib.contextmanager
def _running(
    model: Any, features: Features, task: str, arithmetic: Arithmetic
) -> Iterator[Features]:
    """Yield the features on the device, within the arithmetic of a pass."""
    import torch

    model.eval()
    with torch.inference_mode(), autocast(arithmetic), _of_length(features, task):
        yield {
            name: value.to(arithmetic.device, non_blocking=True)
            if isinstance(value, torch.Tensor)
            else value
            for name, value in features.items()
        }


def _matrices(output: Features, form: Form) -> list[Vectors]:
    if form is Form.DENSE:
        return list(output["sentence_embedding"].float().cpu().numpy()[:, None, :])
    rows = output["token_embeddings"].float().cpu().numpy()
    masks = output["attention_mask"].bool().cpu().numpy()
    return [matrix[mask] for matrix, mask in zip(rows, masks, strict=True)]


@contextlib.contextmanager
def _of_length(features: Features, task: str) -> Iterator[None]:
    """Say of what length the texts were where a model fails: code of its own may have an end that
    nothing tells.

    Raises:
        ColbenchError: it failed.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (IndexError, RuntimeError) as error:
        width = features["input_ids"].shape[1] if "input_ids" in features else "?"
        reason = " ".join(str(error).split())[:160]
        raise ColbenchError(
            f"the model failed on texts of up to {width} tokens ({reason}); if it reads fewer, set "
            f"encoder.{task}_length"
        ) from error


def preprocess_ahead(
    model: Any, batches: Iterable[Sequence[str]], task: str
) -> Iterator[tuple[Sequence[str], Features]]:
    """Yield each batch and its features, tokenising one batch ahead in a thread."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = None
        for batch in batches:
            started = batch, pool.submit(preprocess, model, batch, task)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = started
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def read_tokens(features: Features) -> NDArray[np.int64]:
    """Return how many tokens of each text of a batch are read; [MASK] expansion is none."""
    counts: NDArray[np.int64] = _read(features).sum(dim=1).cpu().numpy()
    return counts.astype(np.int64)


def _read(features: Features) -> Any:
    """Return which tokens of a batch are of its texts, bool (texts, tokens)."""
    attended = features["attention_mask"].bool()
    expansion = features.get("query_expansion_positions")
    return attended if expansion is None else attended & ~expansion.bool()


_PROBE = "a"
_LONG_PROBE = 40_000
_WORDS = (8, 40)


class TokenCounter:
    """Counts tokens of documents or queries as the model would read them if it had no limit.

    Args:
        model: a SentenceTransformer or MultiVectorEncoder.
        task: document or query.

    Attributes:
        limit: tokens of a text that are read, markers and prompt among them.
        reads_text: whether anything of a text itself is read, beside its markers and prompt.
    """

    def __init__(self, model: Any, task: str) -> None:
        self._tokenizer = model.tokenizer
        self._prompt = prompt_of(model, task) or ""
        read = read_tokens(preprocess(model, [_PROBE], task))
        # A ColBERT checkpoint puts a marker before the text that its tokenizer knows nothing of.
        self._markers = int(read[0]) - int(self._lengths([_PROBE])[0])
        probes = preprocess(model, [" ".join([_PROBE] * _LONG_PROBE), ""], task)
        self.limit = int(read_tokens(probes)[0])
        long, empty = (
            ids[read].tolist() for ids, read in zip(probes["input_ids"], _read(probes), strict=True)
        )
        self.reads_text = long != empty

    def count(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return tokens of each text, (texts,), before anything is cut off."""
        return self._lengths(texts) + self._markers

    def _lengths(self, texts: Sequence[str]) -> NDArray[np.int64]:
        if not texts:
            return np.empty(0, dtype=np.int64)
        encoded = self._tokenizer(
            [self._prompt + text for text in texts],
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        return np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.int64)


Flops = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Tokens of each text → floating-point operations of its forward pass."""


def count_flops(model: Any) -> Flops:
    """Return the operations of a forward pass as a function of the tokens of a text.

    A transformer does a·n + b·n² of them for n tokens: the products with weights, and attention.
    Both are had by counting two passes of the model itself, which torch still has to run.

    Args:
        model: a SentenceTransformer or MultiVectorEncoder.
    """
    (few, flops), (many, more) = (_count(model, words) for words in _WORDS)
    square = (more / many - flops / few) / (many - few) if many > few else 0.0
    linear = flops / few - square * few

    def of(lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        tokens = lengths.astype(np.float64)
        return tokens * (linear + square * tokens)

    return of


def _count(model: Any, words: int) -> tuple[int, int]:
    """Return tokens of a text of so many words, and the operations of its forward pass."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    features = preprocess(model, [" ".join([_PROBE] * words)], "document")
    moved = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in features.items()
    }
    counter = FlopCounterMode(display=False)
    # Fused attention on a CPU is one operation that the counter knows no formula of.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(moved, task="document")
    return int(read_tokens(features)[0]), int(counter.get_total_flops())
