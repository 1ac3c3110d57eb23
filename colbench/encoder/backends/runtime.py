"""How a model is run: quietly, on which device, in which arithmetic."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from colbench.encoder.base import Arithmetic
from colbench.encoder.loading.checkpoint import check_tokenizer
from colbench.encoder.loading.complete import check_no_random_weights
from colbench.encoder.loading.hub import snapshot
from colbench.encoder.loading.references import check_classes, foreign_code
from colbench.encoder.settings import EncoderSettings
from colbench.errors import ColbenchError, ConfigError
from colbench.vectors import Vectors

Model = TypeVar("Model")


def pick_device(device: str) -> str:
    """Return a torch device that exists here.

    Raises:
        ConfigError: unknown or absent device.
    """
    import torch
    from sentence_transformers.util import get_device_name

    chosen = str(get_device_name()) if device == "auto" else device
    try:
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device={device!r} cannot be used here; choose auto, cpu or cuda"
        ) from error
    return chosen


def first_device(settings: EncoderSettings) -> str:
    """Return the device of an encoder's queries, once all that it names are there.

    Raises:
        ConfigError: an unknown or absent device, devices of several kinds, or `devices` beside what
            runs on the CPU alone.
    """
    if settings.devices is None:
        return pick_device(settings.device)
    chosen = [pick_device(device) for device in settings.devices]
    if settings.device != "auto":
        raise ConfigError("encoder.device and encoder.devices are both set; keep one of them")
    if len({device.split(":")[0] for device in chosen}) > 1:
        raise ConfigError(f"encoder.devices names devices of several kinds: {', '.join(chosen)}")
    if chosen[0].startswith("cpu") and (
        settings.precision != "fp32" or settings.backend == "openvino"
    ):
        raise ConfigError(
            "encoder.devices is for GPUs; processes on a CPU run torch with precision=fp32 alone"
        )
    return chosen[0]


def code_folders(folder: Path) -> dict[str, Path]:
    """Return the repositories whose code a checkpoint runs, fetched where they are not cached."""
    return {name: snapshot(name, None, needs="*.py") for name in foreign_code(folder)}


def load_quietly(
    make: Callable[..., Model], folder: Path, *, trust_remote_code: bool, device: str
) -> Model:
    """Call a sentence-transformers class on a local folder, without network, pickle or chatter.

    Raises:
        ConfigError: the folder cannot be loaded, or wants to run code that is not trusted.
        WeightsUnavailable: code it needs from another repository cannot be had.
    """
    from transformers.utils import logging as transformers_logging

    repositories = foreign_code(folder)
    if repositories and not trust_remote_code:
        raise ConfigError(
            f"{folder} runs code from {', '.join(repositories)}; read that code, "
            "then set trust_remote_code=true"
        )
    if not trust_remote_code:
        check_classes(folder)
    code_folders(folder)
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    try:
        with _no_pickles():
            return make(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                model_kwargs={"use_safetensors": True},
            )
    except ColbenchError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError(f"{folder} cannot be loaded as a model: {reason}") from error


@contextlib.contextmanager
def _no_pickles() -> Iterator[None]:
    """Refuse every pickle of weights while a model is loaded, whoever finds one.

    The names of files are checked before; here is the one function through which transformers and
    sentence-transformers read what is no safetensors.

    Raises:
        ConfigError: naming the file.
    """
    import torch

    def refuse(file: Any, *_arguments: Any, **_options: Any) -> Any:
        raise ConfigError(
            f"{getattr(file, 'name', file)} is a pickle, which colbench never loads; convert it "
            "with https://huggingface.co/spaces/safetensors/convert"
        )

    load = torch.load
    torch.load = refuse  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.load = load


def with_new_classifier(folder: Path, device: str, trust_remote_code: bool) -> Any:
    """Return a CrossEncoder of one score over a backbone whose checkpoint has no classifier.

    The classifier, and a pooler where the checkpoint has none, are random: they are to be trained,
    or to be filled.

    Raises:
        ConfigError: the folder cannot be loaded, or lacks weights of the backbone.
    """
    import sentence_transformers

    model: Any = load_quietly(
        lambda path, **options: sentence_transformers.CrossEncoder(path, num_labels=1, **options),
        folder,
        trust_remote_code=trust_remote_code,
        device=device,
    )
    check_no_random_weights(model, folder, unused=("classifier", "pooler", "score."))
    check_tokenizer(model, folder)
    return model


def set_weights(model: Any, arithmetic: Arithmetic) -> None:
    """Give a model the weights of its precision.

    fp32 on a CPU, where `autocast` rounds the operands of products alone. Newer transformers load
    weights in the precision of the file; the precision is ours to set.
    """
    import torch

    model.float()
    on_gpu = torch.device(arithmetic.device).type != "cpu"
    if on_gpu and arithmetic.backend == "torch" and arithmetic.precision != "fp32":
        model.to(torch.float16 if arithmetic.precision == "fp16" else torch.bfloat16)


@contextlib.contextmanager
def autocast(arithmetic: Arithmetic) -> Iterator[None]:
    """Run a forward pass in fp32, or on a CPU under torch's autocast to bf16.

    On a GPU the weights themselves are in the reduced precision.

    Raises:
        ColbenchError: the memory of the device is too small for a batch.
    """
    import torch

    backend, precision, device = arithmetic
    kind = torch.device(device).type
    reduced = backend == "torch" and precision != "fp32" and kind == "cpu"
    with memory_of_batches(device), torch.autocast(kind, torch.bfloat16, enabled=reduced):
        yield


@contextlib.contextmanager
def memory_of_batches(device: str) -> Iterator[None]:
    """Turn torch's report that a device is full into one that says what to do.

    Raises:
        ColbenchError: the memory of the device is too small for a batch.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ColbenchError(
            f"{device} is out of memory; choose a smaller batch (batch_tokens of an encoder, "
            "batch_size of a cross-encoder)"
        ) from error


def check_finite(arrays: Sequence[Vectors], texts: Sequence[str], name: str) -> None:
    """Fail if a vector holds NaN or infinity.

    Raises:
        ColbenchError: naming the number (from 0) and the beginning of the text.
    """
    for number, (array, text) in enumerate(zip(arrays, texts, strict=True)):
        if not np.isfinite(array).all():
            raise ColbenchError(
                f"{name}: NaN or infinity in the vectors of text {number} ({text[:60]!r}); "
                "try precision=fp32"
            )
