"""That a loaded model is made of all the weights of its checkpoint, and of nothing else.

What is missing is filled with random numbers while a model loads, and what no module takes is left
out, both with no more than a line in a log. Numbers from such a model look like numbers.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from colbench.encoder.loading.contents import CheckpointFile, checkpoint_files
from colbench.errors import ConfigError

_HEADS = {
    # Of pretraining: BERT and ALBERT, RoBERTa, DeBERTa, ELECTRA, DistilBERT, XLNet and XLM, T5.
    *("cls", "predictions", "seq_relationship", "sop_classifier", "nsp", "lm_head", "mlm"),
    *("lm_predictions", "mask_predictions", "generator_predictions", "generator_lm_head"),
    *("discriminator_predictions", "vocab_transform", "vocab_layer_norm", "vocab_projector"),
    *("lm_loss", "pred_layer", "decoder", "final_logits_bias"),
    # Of tasks that have no vectors.
    *("classifier", "pre_classifier", "score", "qa_outputs", "logits_proj", "sequence_summary"),
    # Pooling by a layer of its own, scales, and what is computed anew.
    *("pooler", "logit_scale", "position_ids", "inv_freq", "masked_bias"),
}
_MODERNBERT_HEAD = ("head.dense.", "head.norm.")
_MODULE_FOLDER = re.compile(r"\d+_\w+")
_OTHER_NAMES = "consolidated*"
"""The same weights again, for other programs."""
_PICKLED_PROJECTION = "colbert_linear.pt"


def check_no_random_weights(model: Any, folder: Path, *, unused: tuple[str, ...]) -> None:
    """Fail if a weight of a loaded model does not come from the checkpoint.

    Weights are matched by shape and content rather than by name, so that neither the renaming that
    transformers does while loading nor a prefix in the file matters. Vectors (biases, layer norms)
    that are missing are filled with a constant, which others may have too: of those, the file has
    to hold as many as the model.

    Args:
        model: a loaded torch module, weights still as in the file.
        folder: the checkpoint.
        unused: parts of parameter names that the forward pass never reads.

    Raises:
        ConfigError: naming the first such weight.
    """
    stored = [
        (key, mark)
        for file in checkpoint_files(folder)
        if file.name.endswith(".safetensors")
        for key, mark in _marks(file).items()
        if not any(part in key for part in unused)
    ]
    left = Counter(mark for _, mark in stored)
    keys = [key for key, _ in stored]
    vectors: dict[str, list[str]] = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim == 0 or any(part in name for part in unused):
            continue
        mark = _mark(parameter)
        if parameter.ndim == 1:
            vectors.setdefault(mark, []).append(name)
        elif not left[mark]:
            raise ConfigError(
                f"{folder} does not hold the weights of {name}; they would be random numbers. "
                "Check that the folder is complete and of the kind the system needs"
            )
    for mark, names in vectors.items():
        if len(names) > left[mark]:
            missing = [name for name in names if not _is_stored(name, keys)] or names
            raise ConfigError(
                f"{folder} does not hold the weights of {missing[0]}; a constant would take their "
                "place. Check that the folder is complete and of the kind the system needs"
            )


def _is_stored(name: str, keys: Iterable[str]) -> bool:
    """Return whether a file holds a weight under the name of a parameter, prefixes aside."""
    for key in keys:
        parts = key.split(".")
        tails = [key, *(".".join(parts[left:]) for left in (1, 2) if len(parts) - left >= 3)]
        if any(f".{name}".endswith(f".{tail}") for tail in tails):
            return True
    return False


def check_no_unused_weights(model: Any, folder: Path, *, untrained: bool) -> None:
    """Fail if a file holds weights that no module of a loaded model took.

    Not heads of pretraining or of other tasks, poolers, and numbers that are computed anew: whole
    checkpoints have them beside the encoder. A tensor is taken if a parameter has its shape and
    content, or its name within the backbone.

    Args:
        model: of sentence-transformers, weights still as in the file.
        folder: the checkpoint.
        untrained: whether the token vectors of a model made for something else are wanted: what
            modules.json has after the transformer is not part of that.

    Raises:
        ConfigError: naming the first such tensor and its file.
    """
    held = [*model.named_parameters(), *model.named_buffers()]
    marks = {_mark(tensor) for _, tensor in held if tensor.is_floating_point()}
    backbone = getattr(model[0], "model", None)
    names = tuple(getattr(backbone, "state_dict", dict)())
    for file in _files(folder, untrained=untrained):
        for key, mark in _marks(file).items():
            taken = mark in marks or (key.endswith(names) and _whole_name(key, names))
            if not taken and not _is_head(key):
                raise ConfigError(
                    f"{file.path} holds {key}, which no part of this model uses; a model measured "
                    "without its weights is another one: check that the folder is of one kind and "
                    "complete"
                )
    if untrained and (folder / _PICKLED_PROJECTION).is_file():
        raise ConfigError(
            f"{folder / _PICKLED_PROJECTION} is a projection of token vectors in a pickle, which "
            "colbench never loads; save it as linear.weight of model.safetensors"
        )


def _files(folder: Path, *, untrained: bool) -> Iterator[CheckpointFile]:
    """Yield the files of weights that a model in a folder is loaded from, or should be."""
    alone = untrained and (folder / "modules.json").is_file()
    for file in checkpoint_files(folder):
        *above, name = file.relative.split("/")
        beside = not above and not file.path.match(_OTHER_NAMES)
        in_module = len(above) == 1 and _MODULE_FOLDER.fullmatch(above[0]) and not alone
        if name.endswith(".safetensors") and (beside or in_module):
            yield file


def _whole_name(key: str, names: tuple[str, ...]) -> bool:
    return any(key == name or key.endswith(f".{name}") for name in names)


def _is_head(key: str) -> bool:
    return not _HEADS.isdisjoint(key.split(".")) or any(part in key for part in _MODERNBERT_HEAD)


def _marks(file: CheckpointFile) -> dict[str, str]:
    """Return name → mark of the floating-point tensors of a file."""
    return _read_marks(file.path, file.identity)


@lru_cache(maxsize=64)
def _read_marks(path: Path, _identity: tuple[int, ...]) -> dict[str, str]:
    from safetensors import safe_open

    marks = {}
    with safe_open(path, framework="pt") as tensors:
        for key in tensors.keys():  # noqa: SIM118
            tensor = tensors.get_tensor(key)
            if tensor.is_floating_point():
                marks[key] = _mark(tensor)
    return marks


def _mark(tensor: Any) -> str:
    """Return a short name for a tensor's shape and content (a spread of 64 of its values)."""
    values = tensor.detach().flatten()
    values = values[:: max(1, len(values) // 64)][:64].float().cpu().numpy()
    return f"{tuple(tensor.shape)}:{hashlib.sha256(values.tobytes()).hexdigest()}"
