"""The backbone of a model, run by OpenVINO on the CPU: in fp32, bf16, or int8 (`int8.py`).

Only the backbone is replaced. Tokenisation, projection, pooling and masks remain those of
sentence-transformers. Converted models are kept beside the embedding cache:

    <cache>/models/<fingerprint>/model.xml, model.bin   the graph and its weights
                                /manifest.json          names of its inputs, checksums, cosine
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from colbench.digests import json_digest, sha256_file
from colbench.encoder.backends.int8 import backbone_inputs, calibration_texts, quantise
from colbench.encoder.backends.precision import has_bf16
from colbench.errors import ConfigError, StorageError
from colbench.files import write_json
from colbench.locks import locked
from colbench.paths import refuse_link
from colbench.progress import note

RECIPE = 2
"""Counts changes of the conversion that change vectors; part of every fingerprint."""

_MANIFEST = "manifest.json"
_SPACE = "free some space or set COLBENCH_CACHE to another folder"


class OpenVinoBackbone:
    """Takes the place of a Hugging Face model's `forward`.

    Attributes:
        cosine: mean cosine of token vectors to those of fp32; None for a precision other than int8.
    """

    def __init__(self, compiled: Any, inputs: Sequence[str], cosine: float | None) -> None:
        self._compiled = compiled
        self._turn = threading.Lock()
        self._inputs = inputs
        self.cosine = cosine

    def __call__(self, **features: Any) -> dict[str, torch.Tensor]:
        """Return `last_hidden_state`, float32 (texts, tokens, dims)."""
        arrays = [features[name].numpy() for name in self._inputs]
        # The output is OpenVINO's own memory, which the next call overwrites. With one stream the
        # passes of several threads would follow each other anyway.
        with self._turn:
            return {"last_hidden_state": torch.from_numpy(self._compiled(arrays)[0].copy())}


def open_backbone(model: Any, precision: str, folder: Path) -> OpenVinoBackbone:
    """Convert the backbone of a sentence-transformers model, or open what was converted before.

    Args:
        model: whose first module is a `Transformer`; only read.
        precision: fp32, bf16 or int8.
        folder: of the converted model; its name must stand for everything that decides it.

    Raises:
        ConfigError: the backbone cannot be converted.
        StorageError: the folder cannot be written, or lies behind a link.
    """
    # Left out: it would report to a third party unasked, from a forked process that can hang and
    # then outlives this one, holding its standard output open.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    manifest = _verified(folder)  # needs no lock, which a cache that is only read has none of
    if manifest is None:
        refuse_link(folder.parent, remedy=_SPACE)
        with _writing(folder):
            manifest = _verified(folder) or _convert(model, folder, int8=precision == "int8")
    reduced = precision == "bf16" or (precision == "int8" and has_bf16())
    compiled = openvino.Core().compile_model(
        folder / "model.xml",
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "bf16" if reduced else "f32",
        },
    )
    return OpenVinoBackbone(compiled, manifest["inputs"], manifest["cosine"])


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        lock = folder.with_suffix(".lock")
        with locked(lock, cannot=f"cannot write {folder}", remedy=_SPACE):
            yield
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror or error}; {_SPACE}") from error


def _verified(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of an intact converted model, else None."""
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_bytes())
        digest = manifest.pop("self_sha256")
        if digest != json_digest(manifest):
            return None
        intact = all(sha256_file(folder / name) == sha for name, sha in manifest["sha256"].items())
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None
    return manifest if intact else None


def _convert(model: Any, folder: Path, *, int8: bool) -> dict[str, Any]:

    inputs, graph = _export(model)
    cosine = None
    for left in (folder, *folder.parent.glob(f".{folder.name}.*")):
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        if int8:
            note("preparing int8: calibrating the encoder, once")
            graph, cosine = _quantised(graph, model, inputs)
        _save(graph, temporary / "model.xml")
        manifest = {
            "recipe": RECIPE,
            "inputs": list(inputs),
            "cosine": cosine,
            "sha256": {name: sha256_file(temporary / name) for name in ("model.xml", "model.bin")},
        }
        write_json(temporary / _MANIFEST, {**manifest, "self_sha256": json_digest(manifest)})
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


class _Positional(torch.nn.Module):
    """A backbone that takes its inputs in order and returns one tensor, as an export needs it."""

    def __init__(self, backbone: torch.nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.backbone = backbone
        self.names = list(names)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        named = dict(zip(self.names, inputs, strict=True))
        output: torch.Tensor = self.backbone(**named, return_dict=True).last_hidden_state
        return output


def _quantised(graph: Any, model: Any, inputs: Sequence[str]) -> tuple[Any, float]:
    """Return the graph in int8 and its cosine to fp32; 0 where that is not a number.

    Raises:
        ConfigError: NNCF or OpenVINO does not manage this model.
    """
    try:
        graph, cosine = quantise(graph, model, inputs)
    except (MemoryError, OSError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ConfigError(
            f"this model cannot be calibrated for int8 ({reason}); set precision=fp32"
        ) from error
    return graph, cosine if math.isfinite(cosine) else 0.0


def _save(graph: Any, path: Path) -> None:
    """Write a graph and its weights.

    Raises:
        OSError: the disk is full. OpenVINO says so in an error of its own, or not at all.
    """
    import openvino

    try:
        openvino.save_model(graph, path, compress_to_fp16=False)
        openvino.Core().read_model(path)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:120]
        raise OSError(f"no space is left, or the folder cannot be written ({reason})") from error


def _export(model: Any) -> tuple[list[str], Any]:
    """Return the names of the inputs and the graph, for any number of texts and tokens."""
    import openvino

    features = backbone_inputs(model, calibration_texts()[:2])
    # The example is a batch of unequal lengths: an export of one without padding may drop the mask.
    wrapped = _Positional(model[0].model, list(features)).eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = openvino.convert_model(wrapped, example_input=tuple(features.values()))
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ConfigError(
            f"backend=openvino cannot convert this model ({reason}); set backend=torch"
        ) from error
    for port in graph.inputs:
        port.get_node().set_partial_shape(openvino.PartialShape([-1, -1]))
    graph.validate_nodes_and_infer_types()
    return list(features), graph
