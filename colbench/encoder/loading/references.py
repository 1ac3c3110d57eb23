"""What the JSON files of a checkpoint name: files, classes, keyword arguments.

sentence-transformers and transformers open the files and import the classes that are named there.
A file has to lie in the checkpoint, and its name may say so in no other way than as a path in it; a
class has to be one of the libraries', unless the user trusts the code of this model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from colbench.encoder.loading.contents import (
    UNREAD,
    CheckpointFile,
    checkpoint_files,
    not_a_configuration,
    read_bytes,
    read_json,
)
from colbench.errors import ConfigError

_WEIGHTS = (".safetensors", ".safetensors.index.json")
_TABLES = {"tokenizer.json", "vocab.json", "added_tokens.json", "special_tokens_map.json"}
"""Large files of tokens, which name nothing."""

_ARGUMENTS = {
    *("model_args", "model_kwargs", "tokenizer_args", "processor_kwargs"),
    *("config_args", "config_kwargs"),
}
"""Keys of sentence_bert_config.json that are handed on to transformers."""

_OVERRIDDEN = {
    *("trust_remote_code", "use_safetensors", "local_files_only", "subfolder", "token"),
    *("cache_dir", "revision"),
}
_TEXTS = {
    *("dtype", "torch_dtype", "attn_implementation", "padding_side", "truncation_side"),
    *("padding", "truncation", "type", "rope_type", "position_embedding_type"),
}
_REFUSED = {"weights_only", "use_kernels", "allow_all_kernels"}
_ELSEWHERE = ("tokenizer_name_or_path", "model_name_or_path", "cache_dir")
_KERNELS = {"attn_implementation", "_attn_implementation"}
_ACTIVATIONS = {
    *("activation_function", "activation_fn", "sbert_ce_default_activation_function"),
}
_PYLATE_DENSE = "pylate.models.Dense.Dense"
"""Read as sentence-transformers' own projection; pylate is not imported."""


def check_names(folder: Path, files: Iterable[CheckpointFile]) -> None:
    """Refuse a checkpoint whose files name others that lie elsewhere, or that are no safetensors.

    Args:
        folder: the checkpoint.
        files: what is in it.

    Raises:
        ConfigError: naming the file, and what it names.
    """
    held = {file.relative for file in files}
    for file in files:
        if file.name == "adapter_config.json":
            raise ConfigError(
                f"{file.path} makes this an adapter, and its base model lies elsewhere; merge both "
                "(merge_and_unload of peft) and save the whole model"
            )
        content = _content(file)
        if file.relative == "modules.json" and isinstance(content, list):
            for path in _values(content, "path"):
                _inside(folder, file, path, "the folder of a module")
        if not isinstance(content, dict):
            continue
        _check_weight_map(folder, file, content, held)
        _check_others(folder, file, content)
        if re.fullmatch(r"sentence_[\w-]+_config\.json", file.name, re.IGNORECASE):
            _check_arguments(file.path, content)
        for key, value in _pairs(content):
            if key in _KERNELS and any("/" in text for text in _texts(value)):
                raise ConfigError(
                    f"{file.path} asks for an attention kernel from the hub ({key}={value!r}), "
                    "which is code; remove that key"
                )


def check_classes(folder: Path) -> None:
    """Refuse a checkpoint that asks for classes that are not those of the libraries.

    Raises:
        ConfigError: naming the file and the class.
    """
    for file in checkpoint_files(folder):
        content = _content(file)
        if file.relative == "modules.json" and isinstance(content, list):
            for name in _values(content, "type"):
                _check_class(file.path, name, "sentence_transformers.", _is_module)
        if not isinstance(content, dict):
            continue
        for name in _router_types(content).values():
            _check_class(file.path, name, "sentence_transformers.", _is_module)
        if "tokenizer_class" in content and file.name == "wordembedding_config.json":
            name = content["tokenizer_class"]
            _check_class(file.path, name, "sentence_transformers.", _is_word_tokenizer)
        for key, name in _pairs(content):
            if key not in _ACTIVATIONS or not isinstance(name, str) or "." not in name:
                continue
            # Scores are taken without the activation of a cross-encoder, but torch's are made.
            if key == "activation_function" or name.startswith("torch."):
                _check_class(file.path, name, "torch.nn.", _is_module)


def foreign_code(folder: Path) -> list[str]:
    """Return the hub names of other repositories whose code this checkpoint runs.

    transformers writes such a reference as `owner/name--module.Class` in `auto_map`.
    """
    modules = read_json(folder / "modules.json", [])
    references = list(_texts([m.get("type") for m in modules if isinstance(m, dict)]))
    for name in ("config.json", "tokenizer_config.json", "processor_config.json"):
        references += _texts(read_json(folder / name, {}).get("auto_map"))
    return sorted({text.split("--")[0] for text in references if "--" in text})


def _content(file: CheckpointFile) -> Any:
    """Return the JSON of a file; None where it is none, or cannot be read by others either."""
    if not file.name.lower().endswith(".json") or file.name in _TABLES:
        return None
    try:
        return json.loads(read_bytes(file.path))
    except (ValueError, RecursionError):
        return None


def _check_weight_map(
    folder: Path, file: CheckpointFile, content: Mapping[str, Any], held: set[str]
) -> None:
    """Check the names of shards in an index of weights."""
    if not file.name.lower().endswith(".index.json") or "weight_map" not in content:
        return
    shards = content["weight_map"]
    if not isinstance(shards, dict):
        raise not_a_configuration(file.path)
    for name in sorted({str(name) for name in shards.values()}):
        relative = _inside(folder, file, name, "a file of weights")
        if not file.name.endswith(_WEIGHTS[1]):
            continue  # of pickles, which nothing reads
        _check_safetensors(file, name)
        if relative not in held:
            raise ConfigError(
                f"{file.path} names {name} as a file of weights, which is not there; fetch the "
                "model again"
            )


def _check_others(folder: Path, file: CheckpointFile, content: Mapping[str, Any]) -> None:
    """Check the other files that a configuration names."""
    named = content.get("transformers_weights")
    if named is not None:
        _inside(folder, file, named, "its weights")
        _check_safetensors(file, named)
    for key in ("configuration_files", "fast_tokenizer_files"):
        for name in _list(content.get(key)):
            _inside(folder, file, name, "a file of its settings")
            if not name.endswith(".json"):
                raise ConfigError(f"{file.path} names {name!r} in {key}, which is no JSON")
    for name in _router_types(content):
        _inside(folder, file, name, "the folder of a module")
    for reference in _texts(content.get("auto_map")):
        _inside(folder, file, reference.rpartition("--")[2], "a file of code")
    if "config" in file.name and content.get("base_model_name_or_path") is not None:
        raise ConfigError(
            f"{file.path} asks for another model, {content['base_model_name_or_path']!r}; save the "
            "whole model in one folder"
        )
    if file.name == "tokenizer_config.json":
        for key, name in content.items():
            # Folders of whoever saved it, as old files have them, are of no consequence.
            if key.endswith("_file") and key != "special_tokens_map_file" and _exists(name):
                _inside(folder, file, name, f"its {key}")


def _check_arguments(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse keyword arguments for transformers that could name files or code."""
    for key in _ELSEWHERE:
        if content.get(key) is not None:
            raise ConfigError(f"{path} sets {key}={content[key]!r}: remove that key")
    for part in sorted(_ARGUMENTS & content.keys()):
        arguments = content[part]
        if not isinstance(arguments, dict):
            raise not_a_configuration(path)
        for key, value in arguments.items():
            texts = [
                inner
                for inner, within in _pairs({key: value})
                if not isinstance(within, dict) and any(_texts(within))
            ]
            if key not in _OVERRIDDEN and (key in _REFUSED or not _TEXTS.issuperset(texts)):
                raise ConfigError(
                    f"{path} sets {part}.{key}={value!r}, which no checkpoint may choose: remove "
                    "that key"
                )


def _check_safetensors(file: CheckpointFile, name: str) -> None:
    if not name.endswith(_WEIGHTS):
        raise ConfigError(
            f"{file.path} names {name} as a file of weights, and colbench loads nothing but "
            "safetensors: no pickles"
        )


def _inside(folder: Path, file: CheckpointFile, name: Any, what: str) -> str:
    """Return the path in the checkpoint that a file beside another names.

    Raises:
        ConfigError: it leads elsewhere.
    """
    if not isinstance(name, str):
        raise not_a_configuration(file.path)
    windows = PureWindowsPath(name)
    inside = not windows.anchor and ".." not in windows.parts and name[:1] not in ("/", "~")
    relative = (PurePosixPath(file.relative).parent / name).as_posix()
    # A file system that takes capitals for small letters finds .GIT in .git.
    unread = any(f"{relative.casefold()}/".startswith(f"{part}/") for part in UNREAD)
    if not inside or unread or "\0" in name:
        raise ConfigError(
            f"{file.path} names {name!r} as {what}, which is not inside {folder}; fetch the model "
            "again, and from whom you trust"
        )
    return relative


def _exists(name: Any) -> bool:
    try:
        return isinstance(name, str) and Path(name).exists()
    except (OSError, ValueError):
        return False


def _router_types(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return name → class of the modules behind a router."""
    types = content.get("types")
    return types if isinstance(types, dict) and "structure" in content else {}


def _check_class(path: Path, name: Any, prefix: str, wanted: Callable[[Any], bool]) -> None:
    from sentence_transformers.util import import_from_string

    if not isinstance(name, str):
        raise not_a_configuration(path)
    if name == _PYLATE_DENSE:
        return
    if not name.startswith(prefix):
        raise ConfigError(
            f"{path} asks for {name}, which is code of its own; read that code, then set "
            "trust_remote_code=true"
        )
    try:
        found = import_from_string(name)
    except Exception as error:
        raise ConfigError(
            f"{path} asks for {name}, which the installed library does not have ({error})"
        ) from error
    if not wanted(found):
        raise ConfigError(f"{path} asks for {name}, which is no module of a model")


def _is_module(found: Any) -> bool:
    from torch import nn

    return isinstance(found, type) and issubclass(found, nn.Module)


def _is_word_tokenizer(found: Any) -> bool:
    from sentence_transformers.sentence_transformer.modules.tokenizer import WordTokenizer

    return isinstance(found, type) and issubclass(found, WordTokenizer)


def _values(items: list[Any], key: str) -> Iterator[Any]:
    for item in items:
        if isinstance(item, dict) and key in item:
            yield item[key]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each key with its value, at every depth."""
    for inner in _all(value):
        if isinstance(inner, dict):
            yield from inner.items()


def _texts(value: Any) -> Iterator[str]:
    """Yield each text, at every depth."""
    return (inner for inner in _all(value) if isinstance(inner, str))


def _all(value: Any) -> Iterator[Any]:
    """Yield a JSON value and all within it, however deep."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        yield inner
        if isinstance(inner, dict):
            waiting += inner.values()
        elif isinstance(inner, list):
            waiting += inner
