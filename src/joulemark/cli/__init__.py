"""The command line: the only place that prints.

Exit codes: 0 fine, 1 findings or failed cells, 2 usage or unusable input, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joulemark import __version__
from joulemark.cli.negative_amount import AmountCommand
from joulemark.failures import MendableError

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
QueriesOption = Annotated[
    int | None, typer.Option("--queries", help="Queries per run [default: the study's, else 1000].")
]
RepeatsOption = Annotated[
    int | None, typer.Option("--repeats", help="Repetitions per cell [default: the study's, else 10].")
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of the order [default: the study's, else 0].")]
WarmupOption = Annotated[
    int | None,
    typer.Option("--warmup", help="Queries before those measured, at least; 0: none [default: the study's, else 10]."),
]
IdleOption = Annotated[
    float | None,
    typer.Option(
        "--idle", help="Seconds of idle before and after each repetition; 0: none [default: the study's, else 10]."
    ),
]
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
    seconds: Annotated[float | None, typer.Option("--seconds", help="Length of the recording [default: 10].")] = None,
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
        if given := [
            flag for flag, asked in (("--json", json_out), ("--calibrate", calibrate), ("--cost", cost)) if asked
        ]:
            raise MendableError(f"{given[0]} shows channels and --record writes them: leave one out")
        record_channels(_setup(sysfs, sensors), record, 10.0 if seconds is None else seconds)
        return
    if seconds is not None:
        raise MendableError("--seconds is the length of a recording: add --record FILE")
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
    warmup: WarmupOption = None,
    idle: IdleOption = None,
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
        warmup,
        idle,
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
    warmup: WarmupOption = None,
    idle: IdleOption = None,
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
        warmup,
        idle,
        weights,
        tuple(setting or ()),
    )
    run_study(options, out, tuple(only or ()), _setup(sysfs, sensors), json_out)


@app.command("report")
def report_command(
    results: Annotated[str, typer.Argument(help="A results folder, or luccioni2024.")],
    json_out: JsonOption = False,
    boundary: Annotated[
        str, typer.Option("--boundary", help="What counts: marginal, device, host or facility.")
    ] = "device",
    grid: Annotated[
        str | None,
        typer.Option(
            "--grid", help="Grid for carbon: FRA, aws:us-west-2, egrid:NWPP, oregon, 138.75 … [default: the study's]."
        ),
    ] = None,
    totals: Annotated[bool, typer.Option("--totals", help="The sums over all runs, loading included.")] = False,
    table: Annotated[
        int | None, typer.Option("--table", min=1, max=6, help="A table of Luccioni et al. (2024), with its figures.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")] = False,
    csv_out: Annotated[
        bool, typer.Option("--csv", help="Print the table, or the rows of the report, as CSV in full precision.")
    ] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print the table in LaTeX.")] = False,
    training: Annotated[
        list[str] | None, typer.Option("--training", help="Table 5: MODEL=KWH or MODEL=KWH+KWH (with fine-tuning).")
    ] = None,
    queries_per_day: Annotated[
        float | None, typer.Option("--queries-per-day", help="Table 5: days to break even, and a year of it.")
    ] = None,
    pue: Annotated[
        str | None, typer.Option("--pue", help="Power usage effectiveness of the building: 1.2, aws:us-west-2 …")
    ] = None,
    figure: Annotated[
        list[int] | None, typer.Option("--figure", min=1, max=7, help="Draw a figure of the paper's; again for more.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="The folder for the figures.")] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="svg, pdf or png, for the figures [default: all three].")
    ] = None,
) -> None:
    """Show what 1,000 queries cost: energy with its interval and how it is known, latency, quality, carbon.

    --table: 1 tasks and datasets, 2 energy by task, 3 multi-purpose models, 4 lengths of their answers, 5 training
    against inference, 6 models.

    \b
    Examples:
      joulemark report results/quickstart
      joulemark report results/quickstart --grid FRA --boundary marginal
      joulemark report results/quickstart --csv
      joulemark report luccioni2024 --table 2 --markdown
      joulemark report luccioni2024 --figure 1 --figure 4 --to figures
      joulemark report results/mine --table 5 --training my-model=1200+80 --queries-per-day 1e6 --pue 1.2
    """
    from joulemark.cli.report_options import ReportOptions, checked

    form = checked(
        ReportOptions(
            json=json_out,
            markdown=markdown,
            csv=csv_out,
            latex=latex,
            totals=totals,
            table=table,
            figures=bool(figure),
            boundary=boundary,
            pue=pue,
            training=bool(training),
            queries_per_day=queries_per_day is not None,
            to=to is not None,
            formats=bool(formats),
        )
    )
    if figure:
        from joulemark.analysis.figures import FORMATS
        from joulemark.cli.report_figure import show_figures

        assert to is not None
        show_figures(results, figure, to, tuple(formats or FORMATS), boundary, grid, json_out)
        return
    from joulemark.cli.report import show_report
    from joulemark.cli.report_table import TableOptions, show_table
    from joulemark.cli.report_totals import show_totals

    if totals:
        show_totals(results, grid, json_out)
    elif table is not None:
        show_table(results, TableOptions(table, form, boundary, grid, tuple(training or ()), queries_per_day, pue))
    else:
        show_report(results, boundary, grid, pue, form)


@app.command("explore")
def explore_command(
    results: Annotated[list[str] | None, typer.Argument(help="Results folders, luccioni2024, or both.")] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", help="A file, or a folder (site/) with an index [default: RESULTS.html, here]."),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show the page on this machine alone; it follows a run that goes on.")
    ] = False,
    port: Annotated[int | None, typer.Option("--port", help="Where to serve [default: 8737 if it is free].")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Write again whenever the results change.")] = False,
    json_out: JsonOption = False,
) -> None:
    """Make one page to look around in: figures and tables of the paper, every run, the reason to believe a number.

    The page holds all its data and asks nobody for anything: it can be mailed, published or kept.

    \b
    Examples:
      joulemark explore results/quickstart
      joulemark explore results/a100 results/h200 luccioni2024 --out side-by-side.html
      joulemark explore results/paper --serve
      joulemark explore results/a100 results/h200 --out site/
    """
    from joulemark.cli.explore import ExploreOptions, show_explorer

    show_explorer(ExploreOptions(tuple(results or ()), out, serve, port, watch, json_out))


@app.command("compare")
def compare_command(
    a: Annotated[str, typer.Argument(metavar="A", help="A results folder, or luccioni2024.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    json_out: JsonOption = False,
    task: Annotated[list[str] | None, typer.Option("--task", help="Cells of this task; again for more.")] = None,
    only: OnlyOption = None,
    boundary: Annotated[str, typer.Option("--boundary", help="What counts: marginal, device or host.")] = "device",
) -> None:
    """Show by how much the energy of two results differs, whether that is more than chance, and what else differs.

    Cells are matched by task, model, dataset and purpose; other settings may differ and are named.

    \b
    Examples:
      joulemark compare results/a100 results/h200 --task summarization
      joulemark compare luccioni2024 results/mine --only 'bert*'
      joulemark compare results/before results/after --boundary marginal --json
    """
    from joulemark.cli.compare import CompareOptions, show_compare

    show_compare(CompareOptions(a, b, boundary, tuple(task or ()), tuple(only or ()), json_out))


@app.command("import")
def import_command(
    sources: Annotated[list[Path], typer.Argument(help="CSV files, folders, or tar and zip archives.")],
    out: Annotated[Path, typer.Option("--out", help="Results folder to make.")],
    queries: Annotated[
        int | None, typer.Option("--queries", help="Queries of each run, which CodeCarbon does not say [default: 1].")
    ] = None,
    json_out: JsonOption = False,
) -> None:
    """Make a results folder from logs: CodeCarbon's CSV of any version, or the logs of Luccioni et al. (2024).

    What cannot be read is named, by file and line, and left out. Exit code 1 if nothing could be imported.

    \b
    Examples:
      joulemark import emissions.csv --out results/mine --queries 1000
      joulemark import paper-logs.tar.xz --out results/paper-logs
    """
    from joulemark.cli.import_logs import import_command

    raise typer.Exit(import_command(sources, out, queries, json_out))


@app.command("export")
def export_command(
    results: Annotated[str, typer.Argument(help="A results folder, or luccioni2024.")],
    to: Annotated[str, typer.Option("--to", help="The format: codecarbon.")],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write [default: standard output].")] = None,
    grid: Annotated[
        str | None, typer.Option("--grid", help="Grid for carbon where none was logged [default: the study's].")
    ] = None,
) -> None:
    """Write the runs for other tools: codecarbon is its emissions.csv, a row per run.

    \b
    Examples:
      joulemark export results/quickstart --to codecarbon --out emissions.csv
    """
    from joulemark.cli.export import export_command

    export_command(results, to, out, grid)


@app.command("audit")
def audit_command(
    results: Annotated[str | None, typer.Argument(help="A results folder.")] = None,
    json_out: JsonOption = False,
    explain: Annotated[str | None, typer.Option("--explain", help="What a rule tests, and why: JM104 …")] = None,
) -> None:
    """Find what is wrong with results, anybody's, by general rules. Exit code 1: there are findings.

    Figures that were printed of the results, in claims.toml beside them, are held against the data.

    \b
    Examples:
      joulemark audit results/quickstart
      joulemark audit results/paper --json
      joulemark audit --explain JM104
    """
    from joulemark.cli.audit import explain_rule, show_audit

    if explain is not None and results is not None:
        raise MendableError("--explain is of a rule, whatever the results: leave out one of the two")
    if explain is not None:
        explain_rule(explain, json_out)
    elif results is None:
        raise MendableError("name a results folder, or --explain a rule")
    else:
        show_audit(results, json_out)


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


@app.command("impact", cls=AmountCommand)
def impact_command(
    what: Annotated[str | None, typer.Argument(help="An energy (1.35kWh), a results folder, or luccioni2024.")] = None,
    json_out: JsonOption = False,
    grid: Annotated[
        str | None,
        typer.Option(
            "--grid",
            help="FRA, World, egrid:NWPP, aws:us-west-2, oregon, 138.75 (g/kWh), a CSV or JSON file of hours … "
            "[default: the study's, else $JOULEMARK_GRID].",
        ),
    ] = None,
    pue: Annotated[
        str | None, typer.Option("--pue", help="Facility ÷ equipment: 1.2, or a facility (aws:us-west-2) [default: 1].")
    ] = None,
    price: Annotated[
        str | None, typer.Option("--price", help="Money per kWh: 0.30EUR, or a country of the catalogue.")
    ] = None,
    per: Annotated[
        float | None, typer.Option("--per", help="Queries that the energy is for, or to show a study's for.")
    ] = None,
    year_at: Annotated[str | None, typer.Option("--year-at", help="Show a year too: 1000000/day, 20/s …")] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Whose making to count [default: those that the runs used].")
    ] = None,
    hours: Annotated[float | None, typer.Option("--hours", help="How long that device worked.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Cells of a study: their task.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Their model.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Their dataset.")] = None,
    listed: Annotated[str | None, typer.Option("--list", help="List grids, facilities or equivalences.")] = None,
    search: Annotated[str | None, typer.Option("--search", help="Words that a row of the list must hold.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show formulae, factors, sources and other figures for the same place.")
    ] = False,
) -> None:
    """Turn energy into carbon, water, money and things people can picture, with ranges and sources.

    \b
    Examples:
      joulemark impact 1.35kWh --grid aws:us-west-2 --explain
      joulemark impact results/quickstart --model sentiment-encoder --grid FRA --pue 1.2 --year-at 1000000/day
      joulemark impact --list grids --search oregon
    """
    from joulemark.cli.impact import ImpactOptions, show_impact
    from joulemark.cli.impact_subject import Choice

    choice = Choice(task, model, dataset)
    show_impact(
        ImpactOptions(what, grid, pue, price, per, year_at, device, hours, choice, listed, search, explain, json_out)
    )


def _setup(sysfs: Path | None, sensors: str | None) -> Setup:
    from joulemark.sensors import requests_in, setup_from_environment

    return setup_from_environment(sysfs, requests_in(sensors or ""))


def main() -> None:
    """Entry point: run a verb, and turn an error a person can mend into one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name or a sign that the terminal's encoding lacks ends nothing
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except MendableError as error:
        print(f"joulemark: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our pipe has gone: no word at exit either
        sys.exit(0)
    except OSError as error:
        if error.filename is None:
            raise
        # A path that cannot even be looked at: too long a name, a folder that may not be entered.
        print(f"joulemark: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
