"""The model hub: whether it can be reached, what it refuses, and the files of a model.

With no network its own library tries for half a minute before it gives up. Here one socket is tried first, so that
"there is no network" is a line within two seconds.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from joulemark.workloads.workload import WorkloadError

PROBE_S = 1.0  # for the name and the connection together
METADATA_S = 10.0

_TEXTS = ("*.json", "*.txt", "*.model", "*.jinja", "*.bpe", "*.vocab", "*.tiktoken", "*.codes", "*.spm")
_PICKLED = "*pytorch_model*.bin"  # those of OpenVINO end in .bin as well
_VARIANTS = ("*.fp16.*", "*.bf16.*", "*.non_ema.*", "*.onnx*")  # further copies of the same weights


def endpoint() -> str:
    """The address of the hub: ``HF_ENDPOINT``, or the public one."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def is_offline() -> bool:
    """Whether the user wants the hub not to be asked: ``HF_HUB_OFFLINE``."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def why_unreachable() -> str | None:
    """Why the hub cannot be asked, found out within about a second; ``None`` where it can."""
    if is_offline():
        return "HF_HUB_OFFLINE is set"
    address = urlsplit(endpoint())
    proxy = getproxies().get(address.scheme)
    if proxy and not proxy_bypass(address.hostname or ""):
        address = urlsplit(proxy if "//" in proxy else f"//{proxy}", scheme="http")
    host, port = address.hostname or "", address.port or (443 if address.scheme == "https" else 80)
    errors: list[str] = []

    def probe() -> None:
        try:
            socket.create_connection((host, port), timeout=PROBE_S).close()
        except OSError as error:
            errors.append(error.strerror or str(error))

    # A name server that does not answer blocks for longer than any time limit of a socket.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_S)
    if thread.is_alive():
        return f"no answer from {host} within {PROBE_S:g} s"
    return f"{host}: {errors[0]}" if errors else None


def need_hub(what: str) -> None:
    """Go on only if the hub can be asked for ``what``.

    Raises:
        WorkloadError: it cannot.
    """
    if why := why_unreachable():
        raise WorkloadError(f"{what} is not on this machine, and the hub cannot be asked for it ({why})")


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn what the hub refuses into one line about ``what``.

    Raises:
        WorkloadError: it is gated, does not exist, has no such revision, or the network failed.
    """
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise WorkloadError(
            f"{what} is gated: accept its terms at {endpoint()}, then `hf auth login` or set HF_TOKEN"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise WorkloadError(f"{what}: the hub has no such revision") from error
    except errors.RepositoryNotFoundError as error:
        raise WorkloadError(f"{what}: the hub has nothing of that name, or it is private (hf auth login)") from error
    except WorkloadError:
        raise
    except Exception as error:  # which library speaks HTTP, and how it fails, differs between versions of the hub's
        said = (str(error).strip().splitlines() or ["no message"])[0][:200]
        raise WorkloadError(f"{what}: the hub failed ({type(error).__name__}: {said})") from error


def download_model(model: str, revision: str | None, *, trust: tuple[str, ...], texts_only: bool) -> Path:
    """The folder of a model of the hub, fetched into the hub's own cache.

    Only what loading needs is fetched: one copy of the weights, in safetensors; pickled ones and code only where
    ``trust`` allows them. ``texts_only`` leaves the weights out.

    Raises:
        WorkloadError: the hub cannot be asked, or has no such model, or none that may be used.
    """
    what = _named(model, revision)
    need_hub(what)
    from huggingface_hub import HfApi, snapshot_download

    with hub_errors(what):
        info = HfApi(endpoint=endpoint()).model_info(model, revision=revision, timeout=METADATA_S)
        names = [sibling.rfilename for sibling in info.siblings or ()]
        wanted = wanted_files(names, what, trust=trust, texts_only=texts_only)
        # The commit is asked for by name, so that the files are of one moment and the folder is known by it.
        folder = snapshot_download(
            model, revision=info.sha, allow_patterns=list(wanted), endpoint=endpoint(), cache_dir=_cache()
        )
        if revision != info.sha:
            _write_ref(Path(folder), revision or "main", str(info.sha))
    return Path(folder)


def model_config(model: str, revision: str | None) -> bytes:
    """The ``config.json`` of a model of the hub, which its cache does not keep; nothing where it has none.

    Raises:
        WorkloadError: the hub cannot be asked, or has no such model.
    """
    what = _named(model, revision)
    need_hub(what)
    from huggingface_hub import errors, hf_hub_download

    with hub_errors(what), TemporaryDirectory() as folder:
        try:
            file = hf_hub_download(model, "config.json", revision=revision, endpoint=endpoint(), local_dir=folder)
        except errors.EntryNotFoundError:
            return b""
        return Path(file).read_bytes()


def wanted_files(names: list[str], what: str, *, trust: tuple[str, ...], texts_only: bool) -> tuple[str, ...]:
    """Which files of a model's repository loading it needs.

    A pipeline of diffusers keeps its parts in folders, next to single-file copies that are not needed. A model of
    transformers lies at the top. Each folder has its own kind of weights: an old safety checker may lie pickled beside
    parts in safetensors.

    Raises:
        WorkloadError: there are no weights, or a folder has only pickled ones and ``trust`` does not allow them.
    """
    in_parts = "model_index.json" in names
    placed = [name for name in names if in_parts or "/" not in name]
    texts = [name for name in placed if _matches(name, _TEXTS)]
    if "remote-code" in trust:
        texts += [name for name in names if name.endswith(".py")]
    if texts_only:
        return tuple(texts)
    plain = [name for name in placed if not _matches(name, _VARIANTS) and ("/" in name or not in_parts)]
    weights = [name for name in plain if name.endswith(".safetensors")]
    safe = {_folder(name) for name in weights}
    pickled = [name for name in plain if fnmatchcase(name, _PICKLED) and _folder(name) not in safe]
    if pickled and "pickled-weights" not in trust:
        where = f" in {', '.join(sorted({_folder(name) for name in pickled}))}" if in_parts else ""
        raise WorkloadError(
            f"{what} has only pickled weights{where}, which could run any code; "
            "name another revision, or allow them with --set trust=pickled-weights"
        )
    weights += pickled
    if not weights:
        raise WorkloadError(f"{what} holds no weights (*.safetensors)")
    return (*texts, *weights)


def snapshot(model: str, revision: str | None) -> Path | None:
    """The folder of a hub model in the local cache; ``refs/<branch or tag>`` names a commit under ``snapshots``."""
    repository = _cache() / f"models--{model.replace('/', '--')}"
    ref = repository / "refs" / (revision or "main")
    folder = repository / "snapshots" / (ref.read_text().strip() if ref.is_file() else revision or "main")
    return folder if folder.is_dir() else None


def _cache() -> Path:
    """The hub's own cache: ``HF_HUB_CACHE``, or below ``HF_HOME``."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def _write_ref(folder: Path, revision: str, commit: str) -> None:
    ref = folder.parent.parent / "refs" / revision
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(commit)


def _named(model: str, revision: str | None) -> str:
    return f"model {model}" + (f" at {revision}" if revision else "")


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
