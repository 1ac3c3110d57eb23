"""Reading one YAML file of a configuration folder; users write such files too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from colbench.config.composing import reason
from colbench.errors import ConfigError


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the keys of a file, interpolations unresolved; none for an empty file.

    Raises:
        ConfigError: naming the file, and the line where YAML says so: it cannot be read, is not
            YAML, has a key twice, or holds something else than keys.
    """
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
        # Results carry the configuration, and their files hold no half surrogate pairs.
        json.dumps(content, default=str, skipkeys=True, ensure_ascii=False).encode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line} is not valid YAML: {error.problem}") from None
    except Exception as error:
        # Numbers, dates and interpolations that cannot be read, nesting without end: PyYAML and
        # OmegaConf let the errors of whatever they call through, of any class.
        raise ConfigError(f"{path} is not valid YAML: {reason(error)}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds a {type(content).__name__}, not keys and values")
    return {str(key): value for key, value in content.items()}
