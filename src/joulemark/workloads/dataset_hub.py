"""Datasets of the hub: their parquet files, read from its local cache or over the network without whole downloads.

The hub converts every dataset that it can read to parquet and keeps the files on the branch ``refs/convert/parquet``
(https://huggingface.co/docs/dataset-viewer/parquet). Datasets that it has not converted may be parquet themselves.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from joulemark.workloads.hub import METADATA_S, endpoint, hub_errors, need_hub
from joulemark.workloads.raw_rows import RawRows, rows_of_parquet
from joulemark.workloads.workload import WorkloadError

CONVERTED = "refs/convert/parquet"

_SHARD = re.compile(r"(?P<stem>.+?)(-(?P<shard>\d{5})-of-(?P<shards>\d{5}))?\.parquet")
_PARTIAL = "partial-"  # a split of which the hub has converted the beginning only, because it is large
_DEFAULT_FOLDERS = ("", "data", "default")  # which hold the files of a dataset that has one configuration


@dataclass(frozen=True, slots=True)
class HubRows:
    """The rows of one split of a dataset of the hub."""

    rows: RawRows
    commit: str
    complete: bool  # False: read from a local cache that may not have all files of the split
    partial: bool  # True: the hub's conversion has only the beginning of the split


@contextmanager
def hub_rows(
    hub_id: str, revision: str | None, config: str | None, split: str | None, *, whole: bool, or_newer: bool = False
) -> Iterator[HubRows]:
    """Open one split of a dataset of the hub: from the hub's local cache if it is there, else over the network.

    Args:
        hub_id: ``owner/name``.
        revision: a branch, tag or commit; ``None`` for the hub's own conversion, or else the dataset's main branch.
        config: the configuration; ``None`` where there is one, or one that is called "default".
        split: the split; ``None`` where there is one, or one that is called "test".
        whole: whether all files are needed, so that a local cache with the first of them does not do.
        or_newer: whether another revision does where the hub no longer has this one. It makes its conversions anew now
            and then and forgets the old ones, so only somebody who can check the rows may ask for one by its commit.

    Raises:
        WorkloadError: the hub cannot be asked, or has no such dataset, configuration or split, or wants a login.
    """
    what = f"dataset {hub_id}" + (f" at {revision}" if revision else "")
    if cached := cached_files(hub_id, revision, config, split, whole=whole):
        openers: list[Callable[[], Any]] = [partial(Path, cached.folder / name) for name in cached.names]
        with rows_of_parquet(what, openers, cached.folder) as rows:
            yield HubRows(rows, cached.folder.name, cached.complete, _is_partial(cached.names))
        return
    need_hub(what)
    with hub_errors(what):
        from huggingface_hub import HfFileSystem

        commit, names = _listing(hub_id, revision, or_newer=or_newer)
        if not names:
            raise WorkloadError(
                f"{what}: the hub has no parquet files of it; give a .jsonl, .csv or .parquet file of it"
            )
        chosen = split_files(names, config, split, what)
        hub = HfFileSystem(endpoint=endpoint(), skip_instance_cache=True)
        # Parquet says itself which bytes it needs; reading ahead would only fetch more.
        openers = [partial(hub.open, f"datasets/{hub_id}@{commit}/{name}", cache_type="none") for name in chosen]
        with rows_of_parquet(what, openers) as rows:
            yield HubRows(rows, commit, complete=True, partial=_is_partial(chosen))


def _is_partial(names: Sequence[str]) -> bool:
    return any(part.startswith(_PARTIAL) for name in names for part in name.split("/")[:-1])


def split_files(names: Sequence[str], config: str | None, split: str | None, where: str) -> list[str]:
    """The parquet files of one split, in order, by the names that the hub and its users give them.

    These are ``config/split/0000.parquet`` and ``config/partial-split/0000.parquet`` on the branch of conversions, and
    ``data/split-00000-of-00001.parquet``, ``config/split-00000-of-00001.parquet`` and ``split.parquet`` elsewhere.

    Raises:
        WorkloadError: there is no such configuration or split, or several and none is named.
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in sorted(names):
        match = _SHARD.fullmatch(name.rpartition("/")[2])
        if match is None:
            continue
        place, own_split = name.rpartition("/")[0], match["stem"]
        if own_split.isdigit():
            place, _, own_split = place.rpartition("/")
            own_split = own_split.removeprefix(_PARTIAL)
        found["default" if place in _DEFAULT_FOLDERS else place][own_split].append(name)
    chosen = _one_of(found, config, "default", f"{where} has no configuration", "dataset_config")
    return found[chosen][_one_of(found[chosen], split, "test", f"{where} has no split", "split")]


@dataclass(frozen=True, slots=True)
class CachedFiles:
    """A folder of the hub's own local cache, named after its commit, and the split's parquet files in it."""

    folder: Path
    names: tuple[str, ...]
    complete: bool  # as their names say: "-00000-of-00002" has a second


def cached_files(
    hub_id: str, revision: str | None, config: str | None, split: str | None, *, whole: bool
) -> CachedFiles | None:
    """What the hub's local cache has of a split; ``None`` if that does not do. The arguments are :func:`hub_rows`'."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    repository = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"datasets--{hub_id.replace('/', '--')}"
    for wanted in [revision] if revision else [CONVERTED, "main"]:
        ref = repository / "refs" / wanted  # of a branch or tag: it holds the commit
        folder = repository / "snapshots" / (ref.read_text().strip() if ref.is_file() else wanted)
        found = _cached_split(folder, config, split) if folder.is_dir() else None
        if found is not None and (found.complete or not whole):
            return found
    return None


def parquet_names(folder: Path) -> list[str]:
    """The parquet files in a folder and its sub-folders, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))


def _cached_split(folder: Path, config: str | None, split: str | None) -> CachedFiles | None:
    """The split's files, if they are there without a gap from the first on."""
    try:
        names = split_files(parquet_names(folder), config, split, str(folder))
    except WorkloadError:
        return None
    shards = [_SHARD.fullmatch(name.rpartition("/")[2]) for name in names]
    numbered = [match for match in shards if match is not None and match["shard"]]
    if any(int(match["shard"]) != shard_i for shard_i, match in enumerate(numbered)):
        return None
    # Names without numbers do not say how many there are.
    return CachedFiles(folder, tuple(names), bool(numbered) and len(numbered) == int(numbered[0]["shards"]))


def _listing(hub_id: str, revision: str | None, *, or_newer: bool) -> tuple[str, list[str]]:
    """A commit and its parquet files."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    api = HfApi(endpoint=endpoint())
    try:
        info = api.dataset_info(hub_id, revision=revision or CONVERTED, timeout=METADATA_S)
    except RevisionNotFoundError:
        if revision and or_newer:
            return _listing(hub_id, None, or_newer=False)
        if revision:
            raise
        info = api.dataset_info(hub_id, timeout=METADATA_S)
    names = [sibling.rfilename for sibling in info.siblings or () if sibling.rfilename.endswith(".parquet")]
    return str(info.sha), names


def _one_of(known: dict[str, Any], wanted: str | None, usual: str, lacks: str, key: str) -> str:
    listed = ", ".join(sorted(known)[:20]) + (", …" if len(known) > 20 else "")
    if wanted is not None:
        if wanted not in known:
            raise WorkloadError(f"{lacks} {wanted!r}; there {'is' if len(known) == 1 else 'are'} {listed or 'none'}")
        return wanted
    if len(known) == 1:
        return next(iter(known))
    if usual in known:
        return usual
    raise WorkloadError(f"{lacks.replace('has no', 'has more than one')}; say {key} = one of {listed or 'none'}")
