"""The nouns of joulemark: frozen records in base units.

A name carries its unit (``_j``, ``_w``, ``_s``, ``_byte``, ``_n`` for a count, ``_i`` for an index). ``None`` means
"not known" and is never replaced by zero. Joules are stored; grams, litres and money are computed on reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum

from joulemark.measurement import Measurement

SCHEMA_VERSION = 1
LOGGED_MODEL = "model as logged"  # among the versions of an imported run, where it was published under another name


class Purpose(StrEnum):
    """The paper's distinction: a model made for one task, or one that is told in its prompt what to do."""

    TASK_SPECIFIC = "task-specific"
    MULTI_PURPOSE = "multi-purpose"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a cell's model is run. ``None`` leaves the choice to the task's own default."""

    prompt: str | None = None  # a template with {text}, {question}, {context}
    new_tokens_min_n: int | None = None
    new_tokens_max_n: int | None = None
    steps_n: int | None = None  # diffusion steps
    image_px: int | None = None
    input_tokens_max_n: int | None = None  # longer inputs are cut off here, if the model's own limit is not lower
    beams_n: int = 1  # 1: greedy; more: beam search
    batch_n: int = 1  # samples asked at once
    weights: str = "trained"  # or "random": the true-size architecture alone, for which nothing is downloaded
    dtype: str = "float32"
    device: str = "auto"  # "auto": the first CUDA device, else the processor
    attention: str | None = None  # "eager", "sdpa" or "flash_attention_2"; None: the library's choice for the model
    threads_n: int | None = None
    trust: tuple[str, ...] = ()  # what the user allows by name: "pickled-weights", "remote-code"


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured: a model on a dataset for a task."""

    task: str
    model: str
    dataset: str
    purpose: Purpose = Purpose.TASK_SPECIFIC
    model_revision: str | None = None
    dataset_revision: str | None = None
    dataset_config: str | None = None
    split: str | None = None
    columns: Mapping[str, str] | None = None  # the task's column → the dataset's, where their names differ
    sample: str = "first"  # which rows: "first", or "random:SEED"
    settings: Settings = field(default_factory=Settings)

    @property
    def cell_id(self) -> str:
        """A short hash of everything that makes this cell this cell."""
        return digest(_chosen(self))[:16]


@dataclass(frozen=True, slots=True)
class Protocol:
    """The rules by which every cell of a study is measured."""

    queries_n: int = 1000
    repeats_n: int = 10
    order: str = "shuffled"  # the cells of a block; "listed": as the study lists them, which hides drift
    seed: int = 0
    warmup_n: int = 10  # queries before the window, at least
    idle_s: float = 10.0  # length of each idle window, with the model loaded


@dataclass(frozen=True, slots=True)
class Study:
    """Cells and protocol. ``study_id`` covers what is measured; more repeats are the same study, continued."""

    name: str
    cells: tuple[Cell, ...]
    protocol: Protocol = field(default_factory=Protocol)
    description: str = ""
    grid: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def study_id(self) -> str:
        """A short hash of cells and protocol, without the number of repeats."""
        protocol = {key: value for key, value in _chosen(self.protocol).items() if key != "repeats_n"}
        return digest({"cells": [cell.cell_id for cell in self.cells], "protocol": protocol})[:16]

    def run_id(self, cell: Cell, repeat_i: int) -> str:
        """The name of one repetition of one cell."""
        return run_id(self.study_id, cell.cell_id, repeat_i)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What was actually loaded."""

    parameters_n: int | None
    architecture: str
    weights: str  # "trained" (has a quality) or "random" (has none)
    dtype: str
    device: str
    weights_sha256: str | None = None
    attention: str | None = None  # the implementation that was used, where the model has attention
    revision: str | None = None  # the commit of a model of the hub
    tf32: str | None = None  # of float32 on a CUDA board: what is computed with fewer digits, such as "convolution"


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the answers were, on the same samples whose energy was measured."""

    metric: str | None  # None: this task has no metric here
    value: float | None
    scored_n: int = 0
    reason: str | None = None  # why ``value`` is not known
    others: Mapping[str, float] = field(default_factory=dict)  # further metrics of the same answers


@dataclass(frozen=True, slots=True)
class Inference:
    """One query of one run."""

    sample_i: int
    duration_s: float
    input_tokens_n: int | None
    output_tokens_n: int | None
    output: str
    score: float | None
    energy_j: float | None = None  # of this query alone, inside the device boundary, where that can be said
    uncertainty_j: float | None = None
    phases_s: Mapping[str, float] = field(default_factory=dict)  # how long its parts took: "prefill", "decode", …


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of all queries of a run: "prefill", "decode", "denoise"; energy inside the device boundary, if known."""

    name: str
    duration_s: float
    energy_j: float | None = None
    uncertainty_j: float | None = None


@dataclass(frozen=True, slots=True)
class TraceStep:
    """The mean power of one channel over a part of a run, with its interval at 95 %; ``None``: not known.

    The steps of a channel follow one another without a gap inside a window; between windows nothing was measured.
    """

    channel: str
    window: str  # "idle-before", "queries" or "idle-after"
    start_s: float  # since the window over the queries began; negative before
    duration_s: float
    power_w: float | None
    low_w: float | None
    high_w: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run has no measurement."""

    phase: str  # "open sensors", "load", "warm up", "query", "score", "process"
    kind: str  # the exception's type, or "Killed"
    message: str


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine of a run. Its id covers the hardware, so that a restart is the same machine."""

    cpu: str
    cpus_n: int
    memory_byte: int | None
    gpus: tuple[str, ...]
    virtualised: bool | None
    kernel: str
    system: str

    @property
    def machine_id(self) -> str:
        """A short hash of processor, memory (to a GiB) and boards."""
        memory_gib = None if self.memory_byte is None else round(self.memory_byte / 2**30)
        return digest({"cpu": self.cpu, "cpus_n": self.cpus_n, "memory_gib": memory_gib, "gpus": self.gpus})[:12]


@dataclass(frozen=True, slots=True)
class Run:
    """One repetition of one cell."""

    run_id: str
    cell: Cell
    repeat_i: int
    order_i: int  # position in the sequence of the whole study
    queries_n: int
    machine_id: str
    versions: Mapping[str, str]
    started_at: str
    failure: Failure | None = None
    measurement: Measurement | None = None
    idle_before: Measurement | None = None
    idle_after: Measurement | None = None
    load: Measurement | None = None
    warmup_n: int | None = None
    quality: Quality | None = None
    model: ModelFacts | None = None
    samples_sha256: str | None = None
    samples_n: int | None = None  # distinct samples among the queries
    input_tokens_n: int | None = None
    output_tokens_n: int | None = None
    phases: tuple[Phase, ...] = ()
    per_query: str | None = None  # how the energy of single queries is known: "counter", "regression", or not at all
    reasons: tuple[str, ...] = ()
    source: str | None = None  # the file of another tool that this run was imported from
    carbon_logged_g: float | None = None  # what that tool made of it
    schema_version: int = SCHEMA_VERSION


def run_id(study_id: str, cell_id: str, repeat_i: int) -> str:
    """The name of one repetition of one cell of a study."""
    return digest({"study": study_id, "cell": cell_id, "repeat_i": repeat_i})[:20]


def _chosen(record: Cell | Protocol) -> dict[str, object]:
    """The fields that differ from their defaults, so that a field added later leaves the old names as they are."""

    def chosen(part: Cell | Protocol | Settings) -> dict[str, object]:
        found: dict[str, object] = {}
        for one in fields(part):
            value = getattr(part, one.name)
            default = one.default_factory() if one.default_factory is not MISSING else one.default
            if value != default:
                found[one.name] = chosen(value) if isinstance(value, Settings) else value
        return found

    return chosen(record)


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON of ``value``, as hexadecimal digits."""
    import hashlib
    import json

    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
