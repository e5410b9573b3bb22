"""The released logs of Luccioni et al., "Power Hungry Processing" (FAccT 2024): what belongs to what.

Layout (github.com/sashavor/co2_inference, MIT licence)::

    emissions/base/emissions_base_RUN.csv   a run's phases: load, (transfer,) query
    emissions/complete/LOG.csv              the runs whose figures were used, a file per task and dataset
    lengths/complete/DATASET[_flan].csv     whitespace words of each prompt and answer
    model_parameters.csv, performance.csv   parameters and quality of models

A base file says which model ran, not on what: the dataset is known only for runs that a joined file names too. A run's
figures are those of its base file; a joined row also covers the time between the phases. Where the two name different
models, the joined file's name, the published one, is taken and the other is kept beside it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from joulemark.interchange.codecarbon_csv import LINE_MAX_BYTE, LoggedRow
from joulemark.interchange.log_files import LogFile, Problem, cut, whole_lines
from joulemark.interchange.logged_energy import NOT_STATED
from joulemark.records import Cell, Purpose, Quality

NAME = "luccioni2024"
DESCRIPTION = (
    "Luccioni, Jernite, Strubell: Power Hungry Processing (FAccT 2024), from its released logs. The cells are those "
    "whose figures were published; the runs are all that were logged."
)
QUERIES_N, REPEATS_N = 1000, 10
TABLE_MAX_N, PROBLEMS_MAX_N = 200_000, 10_000  # lines of a table that are read, problems that are told

_BASE = re.compile(r"(?:^|/)emissions/base/[^/]+\.csv$")
_JOINED = re.compile(r"(?:^|/)emissions/complete/([^/]+)\.csv$")
_LENGTHS = re.compile(r"(?:^|/)lengths/complete/([^/]+)\.csv$")
_TABLES = re.compile(r"(?:^|/)(model_parameters|performance)\.csv$")

RESIZED, NATIVE = "resized", "native"
# Task and dataset of a joined file, and whether its images were resized to 640 × 480, as in the published tables.
JOINED: dict[str, tuple[str, str, str | None]] = {
    "text_classif_imdb": ("text-classification", "imdb", None),
    "text_classif_tomatoes": ("text-classification", "rotten_tomatoes", None),
    "text_classif_sst2": ("text-classification", "sst2", None),
    "qa_squad": ("question-answering", "squad", None),
    "qa_squadv2": ("question-answering", "squad_v2", None),
    "qa_sciq": ("question-answering", "sciq", None),
    "fillmask_bookcorpus": ("fill-mask", "bookcorpus", None),
    "fillmask_c4": ("fill-mask", "c4", None),
    "fillmask_oscar": ("fill-mask", "oscar", None),
    "token_classif_conll2003": ("token-classification", "conll2003", None),
    "token_classif_wikiann": ("token-classification", "wikiann", None),
    "token_classif_record": ("token-classification", "record", None),
    "image_class_cifar10_resized": ("image-classification", "cifar10", RESIZED),
    "image_class_cifar100_resized": ("image-classification", "cifar100", RESIZED),
    "image_class_imagenet_resized": ("image-classification", "imagenet_1k", RESIZED),
    "obj_detection_coco_resized": ("object-detection", "coco2017", RESIZED),
    "obj_detection_CPPE_resized": ("object-detection", "cppe5", RESIZED),
    "obj_detection_visualgenome_resized": ("object-detection", "visual_genome", RESIZED),
    "textgen_wikitext": ("text-generation", "wikitext", None),
    "textgen_bookcorpus": ("text-generation", "bookcorpus", None),
    "textgen_oscar": ("text-generation", "oscar", None),
    "summarize_samsum_15": ("summarization", "samsum", None),
    "summarize_cnn_15": ("summarization", "cnn_dailymail", None),
    "summarize_xsum_15": ("summarization", "xsum", None),
    "itt_coco_resized": ("image-to-text", "coco2017", RESIZED),
    "itt_redcaps_resized": ("image-to-text", "red_caps", RESIZED),
    "itt_visualgenome_resized": ("image-to-text", "visual_genome", RESIZED),
    "tti_diffusiondb": ("text-to-image", "diffusiondb", None),
    "tti_imagereward": ("text-to-image", "imagereward", None),
    "tti_sd_prompts": ("text-to-image", "sd_prompts", None),
    "zeroshot_sentiment_imdb": ("text-classification", "imdb", None),
    "zeroshot_sentiment_tomatoes": ("text-classification", "rotten_tomatoes", None),
    "zeroshot_sentiment_sst2": ("text-classification", "sst2", None),
    "zeroshot_qa_squad": ("question-answering", "squad", None),
    "zeroshot_qa_squad2": ("question-answering", "squad_v2", None),
    "zeroshot_qa_sciq": ("question-answering", "sciq", None),
    "zeroshot_summarize_samsum": ("summarization", "samsum", None),
    "zeroshot_summarize_cnn": ("summarization", "cnn_dailymail", None),
    "zeroshot_summarize_xsum": ("summarization", "xsum", None),
    "image_class_cifar10": ("image-classification", "cifar10", NATIVE),
    "image_class_cifar100": ("image-classification", "cifar100", NATIVE),
    "image_class_imagenet": ("image-classification", "imagenet_1k", NATIVE),
    "obj_detection_coco": ("object-detection", "coco2017", NATIVE),
    "obj_detection_CPPE": ("object-detection", "cppe5", NATIVE),
    "obj_detection_visualgenome": ("object-detection", "visual_genome", NATIVE),
    "itt_redcaps": ("image-to-text", "red_caps", NATIVE),
    "itt_visualgenome": ("image-to-text", "visual_genome", NATIVE),
}
_PROMPTED = "zeroshot_"
_BLOOMZ = "_bloomz"  # these models were logged in files of their own

# Logged beside the others, and in no published table. Table 2's image generation follows from eight of its ten models.
_UNREPORTED = {
    "text-to-image": ("SG161222/Realistic_Vision_V1.4", "stabilityai/stable-diffusion-2-1-base"),
    _PROMPTED: ("bigscience/bloom-560m", "facebook/opt-1.3b", "gpt2", "meta-llama/Llama-2-7b-hf"),
}
# What the models do that are in no joined file; for the others, what they do there.
_EARLIER_MODELS: dict[str, str] = {
    "cardiffnlp/twitter-roberta-base-irony": "text-classification",
    "SamLowe/roberta-base-go_emotions": "text-classification",
    "joeddav/xlm-roberta-large-xnli": "text-classification",
    "martin-ha/toxic-comment-model": "text-classification",
    "bhadresh-savani/distilbert-base-uncased-emotion": "text-classification",
    "MoritzLaurer/DeBERTa-v3-base-mnli-fever-anli": "text-classification",
    "Rakib/roberta-base-on-cuad": "question-answering",
    "obi/deid_roberta_i2b2": "token-classification",
    "oliverguhr/fullstop-punctuation-multilang-large": "token-classification",
    "ml6team/keyphrase-extraction-distilbert-inspec": "token-classification",
    "t5-small": "summarization",
    "t5-base": "summarization",
    "t5-large": "summarization",
    "ainize/kobart-news": "summarization",
    "philschmid/bart-large-cnn-samsum": "summarization",
    "google/bigbird-pegasus-large-arxiv": "summarization",
    "google/roberta2roberta_L-24_bbc": "summarization",
    "mrm8488/bert-small2bert-small-finetuned-cnn_daily_mail-summarization": "summarization",
    "sshleifer/distilbart-cnn-6-6": "summarization",
}

# The length files and performance.csv name datasets and models in their own ways.
_LENGTH_DATASETS = {"cnn": "cnn_dailymail", "squad2": "squad_v2"}
_LENGTH_MODELS = {"bigscience/bloomz-1b": "bigscience/bloomz-1b7", "bigscience/bloomz-7b": "bigscience/bloomz-7b1"}
_QUALITIES: dict[str, tuple[str, str]] = {  # column: dataset and metric
    "sst2 (acc)": ("sst2", "accuracy"),
    "imdb (acc)": ("imdb", "accuracy"),
    "tomatoes (acc)": ("rotten_tomatoes", "accuracy"),
    "sciq (acc)": ("sciq", "accuracy"),
    "squad (f1)": ("squad", "f1"),
    "squad_v2 (f1, has answer)": ("squad_v2", "f1_has_answer"),
    "samsum (rouge)": ("samsum", "rouge"),
    "xsum (rouge)": ("xsum", "rouge"),
    "cnn (rouge)": ("cnn_dailymail", "rouge"),
}
INPUT_WORDS, OUTPUT_WORDS = "input_words", "output_words"
CUT_INPUTS_MIN_N = 20  # fewer may be of one length by chance


@dataclass(slots=True)
class PaperLogs:
    """What is known so far while the files are read, in whatever order they come."""

    base: list[LoggedRow] = field(default_factory=list)
    joined: dict[str, tuple[str, str]] = field(default_factory=dict)  # run → the joined file, the model it names
    joined_rows: list[LoggedRow] = field(default_factory=list)
    lengths: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)  # model, dataset → words
    cut: set[tuple[str, str]] = field(default_factory=set)  # those whose inputs were cut
    parameters_n: dict[str, int] = field(default_factory=dict)
    qualities: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)

    @property
    def recognised(self) -> bool:
        """Whether these are the paper's logs: runs by phase, and at least one joined file that it has."""
        return bool(self.base) and any(log_name(log) is not None for log, _ in self.joined.values())


def log_name(log: str) -> str | None:
    """The entry of :data:`JOINED` for a joined file; ``None`` for a file that the study does not have."""
    plain = log.removesuffix(_BLOOMZ)
    return plain if plain in JOINED else None


def place_of(name: str) -> str | None:
    """Which part of the layout a file is: "base", "joined", "lengths", "tables"; ``None``: none."""
    patterns = {"base": _BASE, "joined": _JOINED, "lengths": _LENGTHS, "tables": _TABLES}
    return next((place for place, pattern in patterns.items() if pattern.search(name)), None)


def add_joined(logs: PaperLogs, rows: Iterable[LoggedRow], problems: list[Problem]) -> None:
    """Note which runs a joined file names."""
    for row in rows:
        found = _JOINED.search(row.file)
        log = found[1] if found else ""
        there = logs.joined.get(row.run_id)
        if there is not None and there != (log, row.project_name):
            problems.append(Problem(row.file, row.line_n, f"the run is in {there[0]} as well: skipped"))
            continue
        logs.joined[row.run_id] = (log, row.project_name)
        logs.joined_rows.append(row)


def add_table(logs: PaperLogs, place: str, file: LogFile, problems: list[Problem]) -> None:
    """Read a length file, ``model_parameters.csv`` or ``performance.csv``."""
    if place == "lengths":
        _add_lengths(logs, file, problems)
        return
    for line_n, row in _rows(file, problems):
        if "num_parameters" in row:
            text = row["num_parameters"].strip()
            if text.isdigit() and len(text) < 16:
                logs.parameters_n[row.get("model_name", "")] = int(text)
            else:
                problems.append(Problem(file.name, line_n, f"num_parameters is {text[:40]!r}: skipped"))
            continue
        for column, (dataset, metric) in _QUALITIES.items():
            value = _share(row.get(column, ""))
            if value is not None:
                logs.qualities[row.get("model", ""), dataset] = (metric, value)


def _add_lengths(logs: PaperLogs, file: LogFile, problems: list[Problem]) -> None:
    found = _LENGTHS.search(file.name)
    dataset = found[1].removesuffix("_flan") if found else ""
    dataset = _LENGTH_DATASETS.get(dataset, dataset)
    sums: dict[str, list[int]] = {}
    inputs: dict[str, Counter[int]] = {}
    for line_n, row in _rows(file, problems):
        words = [row.get(column, "").strip() for column in ("Input", "Output")]
        if not all(text.isdigit() and len(text) < 9 for text in words):
            problems.append(Problem(file.name, line_n, "Input and Output are not two counts: skipped"))
            continue
        model = row.get("model", "")
        model = _LENGTH_MODELS.get(model, model)
        inputs.setdefault(model, Counter())[int(words[0])] += 1
        of_model = sums.setdefault(model, [0, 0, 0])
        of_model[0] += 1
        of_model[1] += int(words[0])
        of_model[2] += int(words[1])
    for model, (n, input_n, output_n) in sums.items():
        logs.lengths[model, dataset] = (input_n / n, output_n / n)
        if n >= CUT_INPUTS_MIN_N and 2 * inputs[model][max(inputs[model])] >= n:
            logs.cut.add((model, dataset))


def _rows(file: LogFile, problems: list[Problem]) -> Iterable[tuple[int, dict[str, str]]]:
    header: list[str] = []
    for line_n, line in whole_lines(file, LINE_MAX_BYTE, problems):
        cut(problems, PROBLEMS_MAX_N)
        if line_n > TABLE_MAX_N:
            problems.append(Problem(file.name, line_n, f"more than {TABLE_MAX_N:,} lines: the rest was not read"))
            return
        try:
            values = next(csv.reader((line.decode("utf-8-sig").rstrip("\r\n"),), strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            problems.append(Problem(file.name, line_n, f"not CSV in UTF-8 ({type(error).__name__}): skipped"))
            continue
        if not header:
            header = values
        elif len(values) == len(header):
            yield line_n, dict(zip(header, values, strict=True))
        elif values:
            problems.append(Problem(file.name, line_n, f"{len(values)} values under {len(header)} columns: skipped"))


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def tasks_of_models(logs: PaperLogs) -> dict[str, str]:
    """What each model does that does one thing only."""
    tasks: dict[str, set[str]] = {}
    for log, model in logs.joined.values():
        name = log_name(log)
        if name is not None:
            tasks.setdefault(model, set()).add(_PROMPTED if log.startswith(_PROMPTED) else JOINED[name][0])
    single = {model: next(iter(found)) for model, found in tasks.items() if len(found) == 1}
    return _EARLIER_MODELS | {model: task for model, task in single.items() if task != _PROMPTED}


def cell_of(logs: PaperLogs, row: LoggedRow, tasks: Mapping[str, str]) -> tuple[Cell, bool]:
    """What a run measured, and whether its figures were published. ``row`` is one of its phases."""
    log, model = logs.joined.get(row.run_id, ("", row.project_name))
    name = log_name(log)
    if name is None:
        task = tasks.get(model, NOT_STATED)
        purpose = Purpose.MULTI_PURPOSE if task == NOT_STATED else Purpose.TASK_SPECIFIC
        return Cell(task, model, NOT_STATED, purpose), False
    task, dataset, variant = JOINED[name]
    prompted = log.startswith(_PROMPTED)
    unreported = _UNREPORTED.get(_PROMPTED if prompted else task, ())
    purpose = Purpose.MULTI_PURPOSE if prompted else Purpose.TASK_SPECIFIC
    return Cell(task, model, dataset, purpose, dataset_config=variant), variant != NATIVE and model not in unreported


def reasons_of(logs: PaperLogs, cell: Cell) -> tuple[str, ...]:
    """What the lengths of its inputs say of a prompted model's runs."""
    prompted = cell.purpose is Purpose.MULTI_PURPOSE
    return ("inputs-cut",) if prompted and (cell.model, cell.dataset) in logs.cut else ()


def quality_of(logs: PaperLogs, cell: Cell) -> Quality | None:
    """The logged quality of a model, which comes from other samples than its energy: none of a run's were scored."""
    words = logs.lengths.get((cell.model, cell.dataset)) if cell.purpose is Purpose.MULTI_PURPOSE else None
    others = {} if words is None else {INPUT_WORDS: words[0], OUTPUT_WORDS: words[1]}
    known = logs.qualities.get((cell.model, cell.dataset))
    if known is None:
        # One model is named there without its owner.
        known = logs.qualities.get((cell.model.partition("/")[2], cell.dataset))
    if known is not None:
        return Quality(known[0], known[1], others=others)
    return Quality(None, None, reason="not logged", others=others) if others else None
