"""The samples of a cell, wherever its dataset is: a name of the catalogue, the hub, files of one's own, miniatures.

Fetching is a step of its own and happens before anything is measured; loading reads local files only. What the parts
do: ``dataset_choice`` which dataset, ``raw_rows`` and ``image_folder`` reading, ``dataset_hub`` fetching,
``dataset_columns`` whose column is whose, ``sample_rule`` which rows, ``preprocessing`` what is done to them,
``frozen_samples`` keeping them, ``synthetic_samples`` doing without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from joulemark.records import Cell, digest
from joulemark.workloads import hub
from joulemark.workloads.cache_folder import alone, cache_folder
from joulemark.workloads.dataset_choice import FILE_SUFFIXES, MINIATURE, Choice, choose, file_of
from joulemark.workloads.dataset_columns import (
    columns_of,
    empty_for_missing,
    is_empty,
    match_columns,
    missing_input,
    task_row,
)
from joulemark.workloads.dataset_hub import cached_files, hub_rows, parquet_names, split_files
from joulemark.workloads.frozen_samples import Manifest, check_against, freeze, read_manifest, thaw
from joulemark.workloads.image_folder import METADATA_FILES, decoded, image_bytes, rows_of_folder
from joulemark.workloads.miniature import corpora
from joulemark.workloads.preprocessing import preprocessed
from joulemark.workloads.raw_rows import Numbered, RawRows, rows_in_memory, rows_of_lines, rows_of_parquet
from joulemark.workloads.sample_rule import FIRST_NONEMPTY, MANIFEST, RANDOM, draw
from joulemark.workloads.samples import Row, Samples, content_sha256, fill_in
from joulemark.workloads.synthetic_samples import samples_as_long_as, samples_like
from joulemark.workloads.tasks import Task
from joulemark.workloads.workload import WorkloadError, path_errors

__all__ = [
    "FILE_SUFFIXES",
    "MINIATURE",
    "Samples",
    "fetch_samples",
    "file_of",
    "fill_in",
    "load_samples",
    "manifest_of",
    "missing_samples",
    "synthetic_samples",
]


def load_samples(cell: Cell, task: Task, queries_n: int) -> Samples:
    """Up to ``queries_n`` samples of the cell's dataset, or all of them where there are fewer; from local files only.

    ``cell.sample`` says which: "first" takes the rows in the dataset's order, as they are; "first-nonempty" passes over
    those with an empty input; "random:SEED" draws without replacement; "manifest:FILE" takes those of a manifest and
    checks that they are the same. Fewer samples are always the beginning of more. Miniature datasets have a split
    "train" and a split "test" (the default) of up to 4,000 samples each, the digits 580 to test.

    Raises:
        WorkloadError: no such dataset, file, split or column; nothing in it; a value that cannot be used; a dataset of
            the hub that :func:`fetch_samples` has not fetched; samples that are not those of the manifest.
    """
    choice = choose(cell, task)
    given = _given(choice)
    sha256 = revision = None
    of_a_part = given is not None and given.drawn_from_part
    if choice.hub_id is not None:
        path, manifest = _frozen(choice, task, given, cell)
        if manifest is None:
            raise WorkloadError(f"dataset {choice.where} is not fetched yet; running the study fetches it first")
        if len(manifest.ids) < queries_n and not manifest.all_rows and given is None:
            raise WorkloadError(f"only {len(manifest.ids)} samples of {choice.where} are fetched, not {queries_n}")
        rows = _finished(thaw(path, manifest, queries_n), choice)
        if len(rows) == len(manifest.ids):
            sha256 = check_against(given or manifest, rows, str(path))
        row_numbers, revision = manifest.row_numbers[: len(rows)], manifest.revision
        of_a_part = manifest.drawn_from_part
    else:
        with _local_rows(choice, given, queries_n) as source:
            selection = _select(source, choice, task, given, queries_n)
        rows = _finished(selection.rows, choice)
        if given is not None:
            whole = check_against(given, rows, choice.where)
            sha256 = whole if len(rows) <= queries_n else None
            rows = rows[:queries_n]
        row_numbers = selection.row_numbers[: len(rows)]
    skipped_n = row_numbers[-1] + 1 - len(rows) if choice.rule.kind == FIRST_NONEMPTY else 0
    return Samples(tuple(rows), sha256 or content_sha256(rows), row_numbers, skipped_n, revision, of_a_part)


def fetch_samples(cell: Cell, task: Task, queries_n: int) -> Path | None:
    """Fetch the cell's samples from the hub, or from its local cache, and freeze them in joulemark's.

    Nothing is done for a dataset that is not the hub's, for samples that are there already, and for made-up ones.

    Returns:
        The manifest beside the frozen samples; ``None`` where there is nothing to fetch.

    Raises:
        WorkloadError: what :func:`load_samples` raises, and whatever the hub refuses, as one line.
    """
    choice = choose(cell, task)
    if choice.hub_id is None or (cell.settings.weights == "random" and choice.known is not None):
        return None
    given = _given(choice)
    wanted_n = queries_n if given is None else len(given.ids)
    path, manifest = _frozen(choice, task, given, cell)
    if _suffices(manifest, wanted_n):
        return path.with_suffix(".json")
    if choice.known is not None and choice.known.unfetchable:
        raise WorkloadError(_cannot_fetch(choice))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path.with_suffix(".lock")):
            if not _suffices(_frozen(choice, task, given, cell)[1], wanted_n):
                _fetch(path, cell, task, choice, given, wanted_n)
    except OSError as error:
        raise WorkloadError(f"cannot write {path.parent}: {error.strerror or error}") from error
    return path.with_suffix(".json")


def missing_samples(cell: Cell, task: Task) -> str | None:
    """Why the cell's samples cannot be had here, found without reading them; ``None`` where nothing speaks against it.

    A dataset of the hub that is not fetched yet is missing only where the hub cannot be reached.
    """
    try:
        choice = choose(cell, task)
        given = _given(choice)
        if choice.miniature is not None:
            corpora.check(choice.miniature, choice.split)
        elif choice.hub_id is not None and (cell.settings.weights != "random" or choice.known is None):
            return _missing_from_hub(choice, task, given, cell)
    except WorkloadError as error:
        return str(error)
    return None


def synthetic_samples(cell: Cell, task: Task, queries_n: int, vocabulary_n: int) -> Samples:
    """Samples for random weights: words "w0", "w1", … of which each is one token, noise for images, no right answers.

    They are as long as those of the cell's dataset: by the catalogue where it is known, by its own samples otherwise,
    whose images are kept. Every model with at least 5,000 words is given the same.

    Args:
        cell: whose dataset, sample rule and preprocessing they follow.
        task: whose columns they have.
        queries_n: how many.
        vocabulary_n: how many words the model's tokenizer knows, at least 1.

    Raises:
        WorkloadError: the catalogue has no lengths for the task, or the cell's own samples cannot be read.
    """
    choice = choose(cell, task)
    if choice.known is None:
        samples = load_samples(cell, task, queries_n)
        rows = samples_as_long_as(samples.rows, task, vocabulary_n)
        return replace(samples, rows=tuple(rows), sha256=content_sha256(rows))
    own = choice.known.variants[choice.variant].words if choice.variant else {}
    rows = samples_like(
        choice.known,
        {**choice.known.words, **own},
        choice.preprocessing,
        task,
        f"{cell.dataset}/{task.task_id}/{cell.sample}",
        queries_n,
        vocabulary_n,
    )
    return Samples(tuple(rows), content_sha256(rows))


def manifest_of(cell: Cell, task: Task, samples: Samples) -> Manifest:
    """Which samples these are, for another machine: written to a file, it is what "manifest:FILE" names."""
    choice = choose(cell, task)
    return Manifest(
        dataset=cell.dataset,
        task=task.task_id,
        sample=cell.sample,
        ids=tuple(row["id"] for row in samples.rows),
        row_numbers=samples.row_numbers,
        sha256=samples.sha256,
        skipped_n=samples.skipped_n,
        drawn_from_part=samples.drawn_from_part,
        repository=choice.hub_id,
        revision=samples.revision,
        config=choice.config,
        split=choice.split,
        columns={**choice.usual_columns, **choice.columns},
        preprocessing=choice.preprocessing,
    )


@dataclass(frozen=True, slots=True)
class _Selection:
    """Rows with the task's columns, images still encoded."""

    rows: list[Row]
    row_numbers: tuple[int, ...]
    skipped_n: int
    all_rows: bool


def _given(choice: Choice) -> Manifest | None:
    return read_manifest(choice.rule.manifest) if choice.rule.manifest is not None else None


def _frozen(choice: Choice, task: Task, given: Manifest | None, cell: Cell) -> tuple[Path, Manifest | None]:
    """Where the samples of a dataset of the hub are kept, and their manifest if they are there.

    A given manifest may have brought its file along.
    """
    if given is not None and choice.rule.manifest is not None:
        beside = choice.rule.manifest.with_suffix(".parquet")
        if given.file_sha256 is not None and beside.is_file():
            return beside, given
    which = {
        "hub_id": choice.hub_id,
        "revision": choice.revision,
        "config": choice.config,
        "split": choice.split,
        "columns": {**choice.usual_columns, **choice.columns},
        "task": columns_of(task),
        "class_names": choice.known.class_names if choice.known else {},
        "preprocessing": choice.preprocessing,
        "sample": cell.sample if given is None else given.sha256,
    }
    name = cell.dataset.replace("/", "--").replace(":", "-")
    path = cache_folder() / "samples" / f"{name}-{digest(which)[:12]}.parquet"
    manifest = path.with_suffix(".json")
    with path_errors(str(path)):
        is_there = manifest.is_file() and path.is_file()
    return path, read_manifest(manifest) if is_there else None


def _fetch(path: Path, cell: Cell, task: Task, choice: Choice, given: Manifest | None, wanted_n: int) -> None:
    place = (str(choice.hub_id), _revision(choice, given), choice.config, choice.split)
    or_newer = given is not None  # whose rows are checked
    with hub_rows(*place, whole=choice.rule.kind == RANDOM, or_newer=or_newer) as source:
        selection = _select(source.rows, choice, task, given, wanted_n)
    if selection.all_rows and not source.complete:  # too few, but there may be more files than the cache has
        with hub_rows(*place, whole=True, or_newer=or_newer) as source:
            selection = _select(source.rows, choice, task, given, wanted_n)
    rows = _finished(selection.rows, choice)
    if given is not None:
        check_against(given, rows, choice.where)
    of_a_part = given.drawn_from_part if given is not None else choice.rule.kind == RANDOM and source.partial
    samples = Samples(
        tuple(rows), content_sha256(rows), selection.row_numbers, selection.skipped_n, source.commit, of_a_part
    )
    freeze(path, selection.rows, replace(manifest_of(cell, task, samples), all_rows=selection.all_rows))


def _suffices(manifest: Manifest | None, wanted_n: int) -> bool:
    return manifest is not None and (manifest.all_rows or len(manifest.ids) >= wanted_n)


def _missing_from_hub(choice: Choice, task: Task, given: Manifest | None, cell: Cell) -> str | None:
    if _frozen(choice, task, given, cell)[1] is not None:
        return None
    if choice.known is not None and choice.known.unfetchable:
        return _cannot_fetch(choice)
    revision, whole = _revision(choice, given), choice.rule.kind == RANDOM
    if cached_files(str(choice.hub_id), revision, choice.config, choice.split, whole=whole):
        return None
    why = _why_unreachable(hub.endpoint())
    return f"dataset {choice.where} is not fetched yet, and the hub cannot be asked for it ({why})" if why else None


def _revision(choice: Choice, given: Manifest | None) -> str | None:
    return choice.revision if given is None else given.revision


@cache
def _why_unreachable(_: str) -> str | None:
    """Asked once for all cells of a plan."""
    return hub.why_unreachable()


def _cannot_fetch(choice: Choice) -> str:
    reason = choice.known.unfetchable if choice.known else None
    return (
        f"dataset {choice.where} cannot be fetched: {reason}. Give a folder of images as the dataset, "
        'or run it with weights = "random"'
    )


@contextmanager
def _local_rows(choice: Choice, given: Manifest | None, queries_n: int) -> Iterator[RawRows]:
    """The dataset's own rows, from anywhere but the hub."""
    if choice.miniature is not None:
        draws_from_all = choice.rule.kind == RANDOM
        rows_n = corpora.MAX_SAMPLES_N if draws_from_all else queries_n
        if given is not None:
            rows_n = max(given.row_numbers, default=0) + 1
        yield rows_in_memory(choice.where, corpora.rows(choice.miniature, choice.split or "test", rows_n))
    elif choice.path is not None and choice.path.is_file():
        parquet = rows_of_parquet(choice.where, [partial(Path, choice.path)], choice.path.parent)
        with parquet if choice.path.suffix.lower() == ".parquet" else nullcontext(rows_of_lines(choice.path)) as rows:
            yield rows
    elif choice.path is not None:
        with path_errors(f"dataset {choice.where}"):
            described = any((choice.path / name).is_file() for name in METADATA_FILES)
            names = [] if described else parquet_names(choice.path)
        if names:
            chosen = split_files(names, choice.config, choice.split, choice.where)
            openers = [partial(Path, choice.path / name) for name in chosen]
            with rows_of_parquet(choice.where, openers, choice.path) as rows:
                yield rows
        elif choice.config is not None:
            raise WorkloadError(f"{choice.where} is a folder of images and has no dataset_config; leave it out")
        else:
            with path_errors(f"dataset {choice.where}"):
                images = rows_of_folder(choice.path, choice.split)
            yield images


def _select(source: RawRows, choice: Choice, task: Task, given: Manifest | None, wanted_n: int) -> _Selection:
    """The rows that the rule takes, with the task's columns."""
    if not source.columns:
        raise WorkloadError(f"{source.where} holds no samples")
    usual = {column: other for column, other in choice.usual_columns.items() if other in source.columns}
    columns = match_columns(task, source.columns, {**usual, **choice.columns}, source.where)
    names = {**source.class_names, **(choice.known.class_names if choice.known else {})}
    # Reading only these spares a remote file's other columns; "id" is what the dataset itself calls a row.
    used = [column for column in source.columns if column in {"id", *columns.values()}]
    kind = choice.rule.kind
    numbered: Iterator[Numbered]
    if kind == MANIFEST and given is not None:
        numbered = source.pick(used, given.row_numbers)
        wanted_n = len(given.row_numbers)
    elif kind == RANDOM and choice.rule.seed is not None:
        numbered = source.pick(used, draw(choice.rule.seed, source.count(), wanted_n))
    else:
        numbered = source.read(used)
    rows: list[Row] = []
    row_numbers: list[int] = []
    skipped_n = 0
    for row_i, where, raw in numbered:
        if kind == FIRST_NONEMPTY and missing_input(raw, columns, task):
            skipped_n += 1
            continue
        if choice.known is not None:  # in which somebody has looked for rows without a value
            raw = empty_for_missing(raw, columns, task)
        row = dict(task_row(raw, row_i, columns, task, names, where))
        if kind == FIRST_NONEMPTY and is_empty(row, task):
            skipped_n += 1
            continue
        if "image" in row:
            row["image"] = image_bytes(row["image"], source, where)
        rows.append(row)
        row_numbers.append(row_i)
        if len(rows) >= wanted_n:  # before the next row is asked for: it may be in a part that is not read yet
            break
    if not rows and kind != MANIFEST:  # which says itself how many there should be
        raise WorkloadError(f"{source.where} holds no samples" + (" with something in them" if skipped_n else ""))
    return _Selection(rows, tuple(row_numbers), skipped_n, len(rows) < wanted_n)


def _finished(rows: Sequence[Row], choice: Choice) -> list[Row]:
    """The rows as a model gets them: images decoded, the preprocessing done."""
    finished = []
    for row in rows:
        if "image" in row:
            row = {**row, "image": decoded(row["image"], f"{choice.where}, sample {row['id']}")}
        finished.append(preprocessed(row, choice.preprocessing))
    return finished
