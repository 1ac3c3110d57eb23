"""Low-rank updates of a backbone (LoRA, Hu et al. 2021, arXiv 2106.09685), put in and added up.

They are peft's. Once added to the weights they belong to, nothing of them is left, and nothing
needs peft to search with the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from colbench.config.train import Student
from colbench.errors import ConfigError
from colbench.train.head import is_head

_INSTALL = "pip install 'colbench[train]'"


def backbone(model: Any) -> Any:
    """Return the Hugging Face model inside, which `_adapt` changes in place."""
    return model[0].model


def adapt(base: Any, student: Student, kind: str) -> None:
    """Put low-rank updates beside the layers of a backbone.

    Raises:
        ConfigError: peft is not installed, or no layer has such a name.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError(f"student.update=lora needs peft; run {_INSTALL}") from error
    linear = [n for n, m in base.named_modules() if isinstance(m, torch.nn.Linear)]
    targets = [
        name
        for name in linear
        if not is_head(name, kind)
        and "pooler" not in name  # no token vector goes through it
        and (student.targets == "all-linear" or name.endswith(tuple(student.targets)))
    ]
    if not targets:
        raise ConfigError(
            f"student.targets: no linear layer ends in {', '.join(student.targets)}; there are "
            f"{', '.join(sorted({name.rpartition('.')[2] for name in linear}))}"
        )
    config = LoraConfig(
        r=student.rank,
        lora_alpha=student.alpha,  # type: ignore[arg-type]
        lora_dropout=student.dropout,
        target_modules=targets,
        bias="none",
    )
    trained = {name for name, p in base.named_parameters() if p.requires_grad}
    inject_adapter_in_model(config, base)
    for name, parameter in base.named_parameters():
        parameter.requires_grad_("lora_" in name or name in trained)


def merge(model: Any) -> None:
    """Add low-rank updates to the weights they belong to, in place; nothing without any."""
    base = backbone(model)
    for name, module in list(_adapted(base)):
        module.merge()
        parent, _, last = name.rpartition(".")
        setattr(base.get_submodule(parent), last, module.get_base_layer())
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def _adapted(base: Any) -> Iterator[tuple[str, Any]]:
    for name, module in base.named_modules():
        if hasattr(module, "get_base_layer") and hasattr(module, "merge"):
            yield name, module
