"""Finding a hub model on this machine, or fetching it where the hub can be reached.

Whatever is already cached is used without a single network request. Before any request the hub is
probed for three seconds, because the client library retries for most of a minute before it admits
that there is no network.
"""

from __future__ import annotations

import socket
import threading
import urllib.parse
import urllib.request
from pathlib import Path

from colbench.errors import ConfigError, WeightsUnavailable
from colbench.progress import is_quiet

PROBE_SECONDS = 3.0

_WANTED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.metadata", "*.jinja", "*.py"]
_UNWANTED = ["onnx/*", "openvino/*", "coreml/*", "*.onnx*", "training_args*"]


def snapshot(repo: str, revision: str | None, needs: str = "*.safetensors") -> Path:
    """Return the folder of a cached hub model, fetched first where it is missing.

    Pickled weights are never fetched.

    Args:
        repo: hub name, owner/name.
        revision: commit or tag; None takes the default branch.
        needs: pattern of files without which a cached copy counts as missing, because some other
            program may have fetched nothing but the configuration.

    Raises:
        ConfigError: `repo` is not a hub name, or the hub knows no such model or revision.
        WeightsUnavailable: it is not cached and cannot be fetched; the message says how to get it.
    """
    cached = cached_snapshot(repo, revision)
    if cached is not None and any(cached.rglob(needs)):
        return cached
    return _fetch(repo, revision)


def is_reachable() -> bool:
    """Return whether a TCP connection to the hub, or to the proxy on the way, opens in time."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    target = urllib.parse.urlsplit(constants.ENDPOINT)
    proxy = urllib.request.getproxies().get(target.scheme)
    if proxy and not urllib.request.proxy_bypass(target.hostname or ""):
        target = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    host, port = target.hostname or "", target.port or (443 if target.scheme == "https" else 80)
    opened = threading.Event()

    def probe() -> None:
        try:
            socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
        except OSError:
            return
        opened.set()

    # A thread, because name resolution has no timeout of its own.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return opened.is_set()


def cached_snapshot(repo: str, revision: str | None) -> Path | None:
    """Return the folder of a hub model that is on this machine; None where it is not.

    Raises:
        ConfigError: `repo` is not a hub name.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                local_files_only=True,
                allow_patterns=_WANTED,
                ignore_patterns=_UNWANTED,
            )
        )
    except HFValidationError as error:
        raise ConfigError(
            f"{repo!r} is neither a folder nor a hub name (owner/name); "
            "give a folder that holds a model, or a hub name"
        ) from error
    except LocalEntryNotFoundError:
        return None


def _fetch(repo: str, revision: str | None) -> Path:
    from huggingface_hub import errors, snapshot_download
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    at = f" --revision {revision}" if revision else ""
    advice = (
        f"run 'hf download {repo}{at}' or pass a local folder in place of the name (model=PATH)"
    )
    if not is_reachable():
        raise WeightsUnavailable(
            f"weights of {repo!r} are not cached and the model hub cannot be reached; "
            f"on a machine with network {advice}"
        )
    if is_quiet():
        disable_progress_bars()
    try:
        return Path(
            snapshot_download(
                repo, revision=revision, allow_patterns=_WANTED, ignore_patterns=_UNWANTED
            )
        )
    except errors.GatedRepoError as error:
        raise WeightsUnavailable(
            f"{repo!r} is gated: accept its terms on the hub, log in with 'hf auth login', "
            f"then {advice}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ConfigError(
            f"the hub has no model {repo!r}, or it is private; check the name, "
            "or log in with 'hf auth login'"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ConfigError(f"{repo!r} has no revision {revision!r} on the hub") from error
    except Exception as error:
        raise WeightsUnavailable(
            f"weights of {repo!r} could not be fetched ({_first_line(error)}); "
            f"try again, or {advice}"
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
