"""``joulemark measure -- COMMAND``: the energy of any command, as ``perf stat`` has it for cycles."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from joulemark.boundary import idle_drifted
from joulemark.cli.measure_run import NotStartedError, Signals, StoppedError, noted_signals, run_command
from joulemark.cli.measure_text import Repeat, Series, as_json, as_text, code_of
from joulemark.cli.table import print_json
from joulemark.failures import MendableError, signal_name
from joulemark.meter import Meter, open_meter
from joulemark.sensors import Setup
from joulemark.sensors.conditions import conditions, disturbances
from joulemark.units import WAIT_MAX_S

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as a shell says it
BY_SIGNAL = 128
UNUSABLE = 2


def measure_command(command: Sequence[str], repeats_n: int, idle_s: float, setup: Setup, json_out: bool) -> int:
    """Run ``command`` ``repeats_n`` times and say what it took; returns the last exit code that was not 0, or 0.

    The command keeps its own input and output; what is measured is printed on standard error. With ``json_out`` the
    object goes to standard output, and what the command prints to standard error. After a signal that asks to stop,
    what was measured until then is reported, and the exit code is that of the signal, or of a single command's own way
    to end.
    """
    if not command:
        raise MendableError("no command: joulemark measure -- COMMAND …")
    if repeats_n < 1 or not 0 <= idle_s <= WAIT_MAX_S:
        raise MendableError(f"--repeats must be at least 1, and --idle from 0 to {WAIT_MAX_S:.0f} seconds")
    with open_meter(setup) as opened:
        meter = opened.calibrated() if idle_s else opened
        with noted_signals() as signals:
            repeats: list[Repeat] = []
            failure: NotStartedError | OSError | None = None
            try:
                while len(repeats) < repeats_n and not signals.heard and not (repeats and repeats[-1].code < 0):
                    repeats.append(_once(meter, command, idle_s, setup, signals, json_out))
            except StoppedError:
                pass
            except (NotStartedError, OSError) as error:
                failure = error
            series = _series(repeats, repeats_n, signals)
            printed = not series.repeats or _report(command, series, json_out)
            if failure is not None:
                return _not_measured(command, failure, len(repeats) + 1)
            if not series.repeats:
                print(f"joulemark: stopped by {signal_name(signals.heard[0])} before the command ran", file=sys.stderr)
    return _exit_code(series, printed)


def _once(
    meter: Meter, command: Sequence[str], idle_s: float, setup: Setup, signals: Signals, json_out: bool
) -> Repeat:
    """Run the command once between two idle windows; the second one is left out where a signal asks to stop."""
    idle = [meter.idle(idle_s, signals.sleep)] if idle_s else []
    before = conditions(setup)
    signals.sleep(0.0)  # a signal until now is not the command's
    window = meter.begin()
    code = run_command(command, window, meter, signals, json_out)
    measurement = window.end()
    cut = bool(signals.heard)
    disturbed = disturbances(before, conditions(setup), measurement)
    if not idle_s:
        disturbed += ("idle-not-measured",)
    with suppress(StoppedError):
        idle += [meter.idle(idle_s, signals.sleep)] if idle_s else []
    if len(idle) == 2 and idle_drifted(*idle):
        disturbed += ("idle-drift",)
    return Repeat(measurement, tuple(idle), code, disturbed, cut, idle_cut=bool(idle_s) and len(idle) == 1)


def _series(repeats: Sequence[Repeat], asked_n: int, signals: Signals) -> Series:
    """Those to report: a repetition that was cut short says nothing about the others, and counts only by itself."""
    finished = tuple(repeat for repeat in repeats if not repeat.cut)
    return Series(finished or tuple(repeats), asked_n, len(repeats), signals.heard[0] if signals.heard else None)


def _report(command: Sequence[str], series: Series, json_out: bool) -> bool:
    """Print what was measured; whether that was possible. Standard output is the command's, but with ``json_out``."""
    try:
        if json_out:
            print_json(as_json(command, series))
            print(end="", flush=True)
        else:
            print(as_text(command, series), file=sys.stderr, flush=True)
    except OSError as error:
        if json_out:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the same error comes again at exit
        with suppress(OSError):
            print(f"joulemark: what was measured cannot be written: {error.strerror}", file=sys.stderr)
        return isinstance(error, BrokenPipeError)  # the reader has gone, and wants nothing
    return True


def _not_measured(command: Sequence[str], failure: NotStartedError | OSError, run_i: int) -> int:
    """Say why a run could not be measured; the exit code for that."""
    if isinstance(failure, NotStartedError):
        print(f"joulemark: '{command[0]}' cannot be run: {failure.error.strerror}", file=sys.stderr)
        return NOT_FOUND if isinstance(failure.error, FileNotFoundError) else NOT_EXECUTABLE
    place = "" if failure.filename is None else f"{failure.filename}: "
    print(f"joulemark: run {run_i} cannot be measured: {place}{failure.strerror or failure}", file=sys.stderr)
    return UNUSABLE


def _exit_code(series: Series, printed: bool) -> int:
    code = code_of(series.repeats)
    # A command that was to run once and ends in its own way when it is asked to stop has its own code.
    own_way = series.asked_n == 1 and series.repeats and series.repeats[0].cut and code > 0
    if series.stopped_by is not None and not own_way:
        return BY_SIGNAL + series.stopped_by
    if code:
        return BY_SIGNAL - code if code < 0 else code
    return 0 if printed else UNUSABLE
