"""The state of a training in a folder, from which an interrupted one goes on to the same end.

    <folder>/weights.safetensors     what is trained, and the best of it so far
            /optimizer.safetensors   moments of the optimizer, state of torch's random numbers
            /trainer_state.json      steps and epochs, as transformers reads them
            /state.json              everything else, and the sha256 of the files; written last

Nothing here is a pickle: transformers' own checkpoints are.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from colbench.digests import sha256_file
from colbench.errors import StorageError
from colbench.paths import remove_made
from colbench.progress import note
from colbench.results.checksummed import read_checksummed, write_checksummed
from colbench.train.student import set_trained_state, trained_state

_FILES = ("weights.safetensors", "optimizer.safetensors", "trainer_state.json")
_STATE = "state.json"
_BEST = "best:"

State = dict[str, torch.Tensor]


def save_checkpoint(folder: Path, trainer: Any, best: State, key: str, extra: Any) -> None:
    """Write the state of a trainer between two steps, in place of what was there.

    Args:
        folder: of the checkpoint.
        trainer: a transformers Trainer with optimizer and scheduler.
        best: trained weights of the best evaluation.
        key: of everything that the training depends on.
        extra: whatever else a resumed training needs, as JSON.

    Raises:
        StorageError: the disk is full.
    """
    from safetensors.torch import save

    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{folder.name}.*"):
            remove_made(left, inside=folder.parent)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        weights = trained_state(trainer.model) | {_BEST + n: value for n, value in best.items()}
        (temporary / _FILES[0]).write_bytes(save(weights))
        moments, groups = _optimizer_state(trainer.optimizer)
        numbers = moments | {"rng.torch": torch.get_rng_state(), **_gpu()}
        (temporary / _FILES[1]).write_bytes(save(numbers))
        trainer.state.save_to_json(str(temporary / _FILES[2]))
        content = {
            "key": key,
            "extra": extra,
            "groups": groups,
            "scheduler": trainer.lr_scheduler.state_dict(),
            "python": random.getstate(),
            "numpy": _numpy_state(),
            "files": {name: sha256_file(temporary / name) for name in _FILES},
        }
        write_checksummed(temporary / _STATE, content)
        _replace(temporary, folder)
    except OSError as error:
        raise StorageError(
            f"cannot write {folder}: {error.strerror or error}; free some space, then run the same "
            "command again"
        ) from error
    finally:
        if temporary is not None:
            remove_made(temporary, inside=folder.parent)


def read_checkpoint(folder: Path, key: str) -> dict[str, Any] | None:
    """Return the content of `state.json`; None where there is nothing to go on from.

    What was damaged, or belongs to another training, is said and left alone.
    """
    old = _old(folder)
    if old.exists() and not folder.exists():  # killed between the two renames of a save
        old.rename(folder)
    if not (folder / _STATE).is_file():
        return None
    try:
        content = read_checksummed(
            folder / _STATE, what="a checkpoint", renew="training begins anew"
        )
        if content["key"] != key:
            note(f"{folder}: a checkpoint of another recipe, data or version; training begins anew")
            return None
        for name, digest in content["files"].items():
            if sha256_file(folder / name) != digest:
                raise StorageError(f"{folder / name} was damaged; training begins anew")
    except (StorageError, OSError, KeyError) as error:
        note(str(error))
        return None
    return content


def best_state(folder: Path) -> State:
    """Return the trained weights of the best evaluation that a checkpoint holds."""
    from safetensors.torch import load_file

    weights = load_file(folder / _FILES[0])
    return {n.removeprefix(_BEST): v for n, v in weights.items() if n.startswith(_BEST)}


def restore_model(folder: Path, model: Any) -> None:
    """Put the trained weights of a checkpoint into a model."""
    from safetensors.torch import load_file

    weights = load_file(folder / _FILES[0])
    set_trained_state(model, {n: v for n, v in weights.items() if not n.startswith(_BEST)})


def restore_optimizer(folder: Path, trainer: Any) -> None:
    """Put the state of a checkpoint into the optimizer and the scheduler."""
    from safetensors.torch import load_file

    content = read_checksummed(folder / _STATE, what="a checkpoint", renew="train with --fresh")
    moments = load_file(folder / _FILES[1])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in moments.items():
        number, _, kind = name.partition(".")
        if number.isdecimal():
            state.setdefault(int(number), {})[kind] = value
    trainer.optimizer.load_state_dict({"state": state, "param_groups": content["groups"]})
    trainer.lr_scheduler.load_state_dict(content["scheduler"])


def restore_random(folder: Path) -> None:
    """Put back the random numbers of Python, numpy and torch."""
    from safetensors.torch import load_file

    content = read_checksummed(folder / _STATE, what="a checkpoint", renew="train with --fresh")
    version, internal, gauss = content["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, *rest = content["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    moments = load_file(folder / _FILES[1])
    torch.set_rng_state(moments["rng.torch"])
    if torch.cuda.is_available() and "rng.cuda" in moments:
        torch.cuda.set_rng_state(moments["rng.cuda"])


def _optimizer_state(optimizer: Any) -> tuple[State, list[dict[str, Any]]]:
    whole = optimizer.state_dict()
    moments = {
        f"{number}.{name}": value.detach().cpu().contiguous()
        for number, values in whole["state"].items()
        for name, value in values.items()
    }
    return moments, whole["param_groups"]


def _numpy_state() -> list[Any]:
    kind, keys, *rest = np.random.get_state()
    return [kind, np.asarray(keys).tolist(), *rest]


def _gpu() -> State:
    return {"rng.cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}


def _old(folder: Path) -> Path:
    return folder.parent / f"{folder.name}.old"


def _replace(temporary: Path, folder: Path) -> None:
    """Let a finished folder take the place of another; a kill in between leaves one of them."""
    temporary.chmod(0o755)
    old = _old(folder)
    remove_made(old, inside=folder.parent)
    if folder.exists():
        folder.rename(old)
    temporary.rename(folder)
    remove_made(old, inside=folder.parent)
