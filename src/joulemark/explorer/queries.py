"""Single queries as packed columns: what they took, how long they were, how good; never what was answered.

All queries stand one after the other, run after run. A column is an array of whole numbers ("codes") of 1, 2 or 4
bytes, of which 0 stands for what is not known. Its bytes are stored plane by plane, all lowest bytes first, and
gzip'd. With ``code`` above 0 the value is, by the column's ``scale``,

* ``log``: ``least · exp(step · (code − 1))``, so that the value is within ``step ÷ 2`` of what was stored,
* ``linear``: ``least + step · (code − 1)``.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from joulemark import store
from joulemark.explorer.cells import rounded
from joulemark.records import Run

QUERIES_MAX_N = 2_000_000
GZIP_LEVEL = 6  # the highest takes nine times as long for half a percent
LOG_STEP_RATIO = 0.0005  # finer steps would only make the file larger
COLUMNS = ("duration_s", "energy_j", "input_tokens_n", "output_tokens_n", "score")
LOGARITHMIC = ("duration_s", "energy_j")
CODES_N = {1: 2**8 - 1, 2: 2**16 - 1, 4: 2**32 - 1}  # codes above 0 by the number of bytes
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
MISSING = "single queries are left out: reading them needs pyarrow (pip install 'joulemark[transformers]')"

Json = Any


@dataclass(frozen=True, slots=True)
class Stored:
    """A run whose queries and trace may lie in a folder; ``cell_i`` is the place of its cell.

    Their files are called by the run alone: where several machines have a run of that name, they are nobody's.
    """

    folder: Path
    run: Run
    cell_i: int
    own_files: bool = True


@dataclass(frozen=True, slots=True)
class Packed:
    """``description`` says how to read ``columns``; ``places`` are (first, number) of each run's queries."""

    description: dict[str, Json]
    columns: Mapping[str, bytes]
    places: Mapping[int, tuple[int, int]]
    latencies_s: Mapping[int, dict[str, float | None]]  # quantiles by the place of the cell


def pack_queries(runs: Sequence[Stored], elsewhere_n: int) -> Packed:
    """The queries of ``runs``, in their order. Where they are too many, the latest run of every cell comes first.

    ``elsewhere_n`` queries are known to be left out already. Raises :class:`~joulemark.store.StoreError`.
    """
    if find_spec("pyarrow") is None:
        return _nothing(elsewhere_n, MISSING)
    chosen, left_out_n = _chosen(runs)
    left_out_n += elsewhere_n
    if not chosen:
        return _nothing(left_out_n, None)
    import pyarrow as pa

    tables: list[Any] = []
    by_cell: dict[int, list[Any]] = {}
    places: dict[int, tuple[int, int]] = {}
    first = 0
    for run_i in chosen:
        table = _read(runs[run_i].folder, runs[run_i].run)
        if not table.num_rows:
            continue
        places[run_i] = (first, table.num_rows)
        first += table.num_rows
        tables.append(table)
        by_cell.setdefault(runs[run_i].cell_i, []).append(table["duration_s"])
    if not tables:
        return _nothing(left_out_n, None)
    latencies_s = {cell_i: _quantiles(columns) for cell_i, columns in by_cell.items()}
    whole = pa.concat_tables(tables)
    description: dict[str, Json] = {}
    packed: dict[str, bytes] = {}
    for name in COLUMNS:
        found = _pack(whole[name], logarithmic=name in LOGARITHMIC, whole_numbers=name.endswith("_n"))
        if found is not None:
            description[name], packed[name] = {"id": f"queries-{name}", **found[0]}, found[1]
    digest = hashlib.sha256(b"".join(packed.values())).hexdigest()[:16]
    facts = {"n": first, "columns": description, "left_out_n": left_out_n, "digest": digest, "why": _why(left_out_n)}
    return Packed(facts, packed, places, latencies_s)


def _quantiles(durations_s: Sequence[Any]) -> dict[str, float | None]:
    import pyarrow as pa
    import pyarrow.compute as pc

    joined = pa.chunked_array([chunk for column in durations_s for chunk in column.chunks], pa.float64())
    found = pc.quantile(joined, list(QUANTILES.values())).to_pylist()
    return {name: rounded(value) for name, value in zip(QUANTILES, found, strict=True)}


def _nothing(left_out_n: int, why: str | None) -> Packed:
    facts = {"n": 0, "columns": {}, "left_out_n": left_out_n, "digest": "", "why": why or _why(left_out_n)}
    return Packed(facts, {}, {}, {})


def _why(left_out_n: int) -> str | None:
    return f"{left_out_n:,} single queries are left out, so that the page stays small" if left_out_n else None


def _chosen(runs: Sequence[Stored]) -> tuple[list[int], int]:
    """The places of the runs whose queries fit, and the number of those that do not."""
    with_queries = [
        run_i
        for run_i, one in enumerate(runs)
        if one.own_files and one.run.measurement is not None and _file(one.folder, one.run).exists()
    ]
    chosen: list[int] = []
    taken_n = left_out_n = 0
    for run_i in latest_of_every_cell_first([(run_i, runs[run_i].cell_i) for run_i in with_queries]):
        queries_n = runs[run_i].run.queries_n
        if taken_n + queries_n <= QUERIES_MAX_N:
            taken_n += queries_n
            chosen.append(run_i)
        else:
            left_out_n += queries_n
    return sorted(chosen), left_out_n


def latest_of_every_cell_first(runs: Sequence[tuple[int, int]]) -> list[int]:
    """The places of (place, cell) in the order in which there is room for them: every cell's latest, then the next."""
    ranks: dict[int, int] = {}
    order: list[tuple[int, int]] = []
    for run_i, cell_i in reversed(runs):
        ranks[cell_i] = ranks.get(cell_i, 0) + 1
        order.append((ranks[cell_i], run_i))
    return [run_i for _, run_i in sorted(order)]


def _file(folder: Path, run: Run) -> Path:
    return folder / store.INFERENCES_FOLDER / f"{run.run_id}.parquet"


def _read(folder: Path, run: Run) -> Any:
    """The columns of a run's queries, as whole or decimal numbers. Raises :class:`~joulemark.store.StoreError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = _file(folder, run)
    schema = pa.schema([(name, pa.int64() if name.endswith("_n") else pa.float64()) for name in COLUMNS])
    try:
        with pq.ParquetFile(file) as stored:
            there = [name for name in COLUMNS if name in stored.schema_arrow.names]
            table = stored.read(columns=there, use_threads=False)
        for name in COLUMNS:
            if name not in there:  # written before there was such a column
                table = table.append_column(name, pa.nulls(table.num_rows, schema.field(name).type))
        return table.select(list(COLUMNS)).cast(schema)
    except (OSError, pa.ArrowException) as error:
        raise store.StoreError(f"{file} cannot be read: {error}") from error


def _pack(column: Any, logarithmic: bool, whole_numbers: bool) -> tuple[dict[str, Json], bytes] | None:
    """How to read a column, and its bytes; ``None`` where nothing of it is known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.cast(pa.float64())
    usable = pc.and_(pc.is_finite(values), pc.greater(values, 0.0)) if logarithmic else pc.is_finite(values)
    known = pc.if_else(usable, values, None)
    if known.null_count == len(known):
        return None
    scaled = pc.ln(known) if logarithmic else known
    ends = pc.min_max(scaled)
    least, greatest = ends["min"].as_py(), ends["max"].as_py()
    if logarithmic:
        bytes_n, step = 2, max((greatest - least) / (CODES_N[2] - 2), LOG_STEP_RATIO)
    elif whole_numbers or (greatest - least < CODES_N[1] - 1 and pc.all(pc.equal(known, pc.floor(known))).as_py()):
        step, bytes_n = 1.0, next(size_n for size_n, codes_n in CODES_N.items() if greatest - least < codes_n - 1)
    else:
        bytes_n, step = 2, (greatest - least) / (CODES_N[2] - 2) or 1.0  # where all are one value, any step will do
    code_type = {1: pa.uint8(), 2: pa.uint16(), 4: pa.uint32()}[bytes_n]
    codes = pc.add(pc.round(pc.divide(pc.subtract(scaled, least), step)), 1.0)
    array = pc.fill_null(codes.cast(code_type), 0).combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    raw = array.buffers()[1].to_pybytes()[array.offset * bytes_n : (array.offset + len(array)) * bytes_n]
    planes = b"".join(raw[place::bytes_n] for place in range(bytes_n))
    facts = {
        "scale": "log" if logarithmic else "linear",
        "bytes": bytes_n,
        "unknown": 0,
        "least": pc.exp(least).as_py() if logarithmic else least,
        "step": step,
        "unknown_n": known.null_count,
    }
    return facts, gzip.compress(planes, GZIP_LEVEL, mtime=0)
