"""Which options of ``joulemark report`` go together: one that would be ignored is refused."""

from __future__ import annotations

from dataclasses import dataclass

from joulemark.failures import MendableError


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What was given on the command line."""

    json: bool
    markdown: bool
    csv: bool
    latex: bool
    totals: bool
    table: int | None
    figures: bool
    boundary: str
    pue: str | None
    training: bool
    queries_per_day: bool
    to: bool
    formats: bool


def checked(options: ReportOptions) -> str:
    """The form to print in: "text", "json", "markdown", "csv" or "latex".

    Raises :class:`~joulemark.failures.MendableError` for options of which one would be ignored.
    """
    views = {"--totals": options.totals, "--table": options.table is not None, "--figure": options.figures}
    view = _one(views, "show different things")
    form = _one({f"--{name}": getattr(options, name) for name in ("json", "markdown", "csv", "latex")}, "are two forms")
    for name in ("--markdown", "--latex"):
        if form == name and view != "--table":
            raise MendableError(f"{name} is a form of a table: name one with --table")
    if form == "--csv" and view in ("--totals", "--figure"):
        raise MendableError(f"--csv is a form of a table or of the rows, not of {view}: --json gives one object")
    for name, given in (("--training", options.training), ("--queries-per-day", options.queries_per_day)):
        if given and options.table != 5:
            raise MendableError(f"{name} is for training against inference: add --table 5")
    for name, given in (("--to", options.to), ("--format", options.formats)):
        if given and not options.figures:
            raise MendableError(f"{name} is for figures: add --figure N")
    if options.figures and not options.to:
        raise MendableError("--figure needs a folder to draw into: --to DIR")
    if options.pue is not None and view is not None and options.table != 5:
        raise MendableError(f"--pue is for the rows of a report and for --table 5, not for {view}")
    if options.totals and options.boundary != "device":
        raise MendableError("--totals are of everything that was metered: leave out --boundary")
    return "text" if form is None else form.removeprefix("--")


def _one(given: dict[str, bool], why: str) -> str | None:
    """The one option that was given, if any."""
    names = [name for name, is_given in given.items() if is_given]
    if len(names) > 1:
        raise MendableError(f"{' and '.join(names)} {why}: choose one")
    return names[0] if names else None
