"""The command line: the only place that prints.

Exit codes: 0 fine, 1 findings or failed cells, 2 usage or unusable input, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joulemark import __version__
from joulemark.records import MendableError

if TYPE_CHECKING:
    from joulemark.sensors import Setup

app = typer.Typer(
    name="joulemark",
    help="Measure what an inference costs: energy, carbon and quality, with an error bar and the reason for it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
SysfsOption = Annotated[
    Path | None, typer.Option("--sysfs", help="Root of the sysfs tree [default: $JOULEMARK_SYSFS, else /sys].")
]
SensorsOption = Annotated[
    str | None,
    typer.Option("--sensors", help="Sensors to open, separated by commas [default: all that measure this machine]."),
]

StudyArgument = Annotated[str | None, typer.Argument(help="A study by name, or a TOML file.")]
OnlyOption = Annotated[list[str] | None, typer.Option("--only", help="Cells whose task, model or dataset matches.")]
TaskOption = Annotated[str | None, typer.Option("--task", help="A cell of your own: its task.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="Its model.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="Its dataset.")]
SplitOption = Annotated[str | None, typer.Option("--split", help="The split of its dataset.")]
ColumnOption = Annotated[
    list[str] | None, typer.Option("--column", help="text=review: the task's column and the dataset's.")
]
QueriesOption = Annotated[int | None, typer.Option("--queries", help="Queries per run.")]
RepeatsOption = Annotated[int | None, typer.Option("--repeats", help="Repetitions per cell.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of the order.")]
WeightsOption = Annotated[
    str | None, typer.Option("--weights", help="random: the true-size architecture alone, nothing is downloaded.")
]
SettingOption = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of all cells: batch_n=8, device=cpu, dtype=float16 …")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"joulemark {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command("sensors")
def sensors_command(
    json_out: JsonOption = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Read each channel for up to a second: its real period and step.")
    ] = False,
    cost: Annotated[bool, typer.Option("--cost", help="Measure what reading each channel and a window cost.")] = False,
    record: Annotated[
        Path | None, typer.Option("--record", help="Write all channels to a trace for --sensors replay:FILE.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Length of the recording.")] = 10.0,
    sysfs: SysfsOption = None,
    sensors: SensorsOption = None,
) -> None:
    """Show what this machine can measure, how, and what was looked for in vain.

    \b
    Examples:
      joulemark sensors
      joulemark sensors --calibrate --cost
      joulemark sensors --sysfs /host/sys --json
      joulemark sensors --record trace.json --seconds 30
    """
    from joulemark.cli.sensors import record_channels, show_sensors

    if record is not None:
        record_channels(_setup(sysfs, sensors), record, seconds)
        return
    show_sensors(_setup(sysfs, sensors), json_out, calibrating=calibrate, costing=cost)


@app.command("plan")
def plan_command(
    study: StudyArgument = None,
    json_out: JsonOption = False,
    only: OnlyOption = None,
    task: TaskOption = None,
    model: ModelOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    column: ColumnOption = None,
    queries: QueriesOption = None,
    repeats: RepeatsOption = None,
    seed: SeedOption = None,
    weights: WeightsOption = None,
    setting: SettingOption = None,
    results: Annotated[
        Path | None, typer.Option("--results", help="Forecast from the runs of this folder [default: results/STUDY].")
    ] = None,
) -> None:
    """List the cells of a study, what is missing here to run them, and how much time and energy they will take.

    \b
    Examples:
      joulemark plan quickstart
      joulemark plan paper --only summarization
      joulemark plan paper-smoke --weights random --json
    """
    from joulemark.cli.plan import show_plan
    from joulemark.cli.study import StudyOptions

    options = StudyOptions(
        study,
        task,
        model,
        dataset,
        split,
        tuple(column or ()),
        queries,
        repeats,
        seed,
        weights,
        tuple(setting or ()),
    )
    show_plan(options, tuple(only or ()), results, json_out)


@app.command("run")
def run_command(
    study: StudyArgument = None,
    out: Annotated[Path | None, typer.Option("--out", help="Results folder [default: results/STUDY].")] = None,
    only: OnlyOption = None,
    task: TaskOption = None,
    model: ModelOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    column: ColumnOption = None,
    queries: QueriesOption = None,
    repeats: RepeatsOption = None,
    seed: SeedOption = None,
    weights: WeightsOption = None,
    setting: SettingOption = None,
    json_out: JsonOption = False,
    sysfs: SysfsOption = None,
    sensors: SensorsOption = None,
) -> None:
    """Measure a study, or a model of one's own. The same command continues where it was stopped.

    MODEL is a folder, a name of the hub, or a Python function (module:function); DATASET a file, a folder of images,
    or a name. Ctrl-C once stops after the current repetition.

    \b
    Examples:
      joulemark run quickstart --out results/quickstart
      joulemark run --task text-classification --model ./my-model --dataset reviews.jsonl --column text=review
      joulemark run paper-smoke --weights random --set dtype=bfloat16
    """
    from joulemark.cli.run import run_study
    from joulemark.cli.study import StudyOptions

    options = StudyOptions(
        study,
        task,
        model,
        dataset,
        split,
        tuple(column or ()),
        queries,
        repeats,
        seed,
        weights,
        tuple(setting or ()),
    )
    run_study(options, out, tuple(only or ()), _setup(sysfs, sensors), json_out)


@app.command("report")
def report_command(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    json_out: JsonOption = False,
    boundary: Annotated[
        str, typer.Option("--boundary", help="What counts: marginal, device, host or facility.")
    ] = "device",
    grid: Annotated[
        str | None, typer.Option("--grid", help="Grid for carbon: FRA, World, egrid:NWPP … [default: the study's].")
    ] = None,
) -> None:
    """Show what 1,000 queries cost: energy with its interval and how it is known, latency, quality, carbon.

    \b
    Examples:
      joulemark report results/quickstart
      joulemark report results/quickstart --grid FRA --boundary marginal
      joulemark report results/quickstart --json
    """
    from joulemark.cli.report import show_report

    show_report(results, boundary, grid, json_out)


@app.command("measure", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def measure_command(
    command: Annotated[list[str], typer.Argument(help="The command with its arguments, after --.")],
    repeats: Annotated[int, typer.Option("--repeats", "-r", help="Run it so many times.")] = 1,
    idle: Annotated[float, typer.Option("--idle", help="Seconds of idle before and after each run; 0: none.")] = 1.0,
    json_out: JsonOption = False,
    sysfs: SysfsOption = None,
    sensors: SensorsOption = None,
) -> None:
    """Measure the energy of any command. It keeps its output and its exit code; the result goes to standard error.

    With --json the result goes to standard output, and what the command prints to standard error.

    \b
    Examples:
      joulemark measure -- sleep 2
      joulemark measure --repeats 5 -- python my_script.py
      joulemark measure --json --idle 5 -- ./serve --once
    """
    from joulemark.cli.measure import measure_command

    raise typer.Exit(measure_command(command, repeats, idle, _setup(sysfs, sensors), json_out))


def _setup(sysfs: Path | None, sensors: str | None) -> Setup:
    from joulemark.sensors import setup_from_environment

    return setup_from_environment(sysfs, tuple(part.strip() for part in (sensors or "").split(",") if part.strip()))


def main() -> None:
    """Entry point: run a verb, and turn an error a person can mend into one line and exit code 2."""
    try:
        app()
    except MendableError as error:
        print(f"joulemark: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our pipe has gone: no word at exit either
        sys.exit(0)
