"""Codes for whatever weakens a figure, each with what it means and what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """The plain words behind a code."""

    meaning: str
    remedy: str


REASONS: dict[str, Reason] = {
    "read-failed": Reason("reading the channel failed during the window", "look at the kernel log and run again"),
    "device-lost": Reason("the device went away during the window", "reset or replace the board, then run again"),
    "counter-went-back": Reason(
        "the counter went backwards: its driver was reloaded, or it wrapped at a range that is not known", "run again"
    ),
    "counter-stood-still": Reason(
        "the counter did not move in a window longer than its update period", "check the driver; use another sensor"
    ),
    "window-too-short": Reason("fewer than ten updates of the sensor fit in the window", "make the window longer"),
    "no-samples": Reason("the gauge gave no sample in the window", "make the window longer"),
    "sampling-gap": Reason("samples are missing for longer than five periods", "keep the machine less busy"),
    "modelled": Reason("no sensor: a formula on load or size", "give access to a counter; see joulemark sensors"),
    "processor-not-in-table": Reason(
        "the processor's own power is not in the catalogue: an average per virtual CPU is used",
        "run where the processor's counter is readable",
    ),
    "virtual-machine": Reason(
        "a virtual machine sees a share of its host: the modelled power is that share", "measure on the host"
    ),
    "replayed": Reason("read from a recorded trace, not from this machine", "use a real sensor"),
    "trace-ended": Reason("the recorded trace does not cover the window", "record a longer trace"),
    "sampler-failed": Reason("the process that samples the gauges ended", "joulemark sensors says what it can read"),
    "fake-sensor": Reason("the fake sensor: nobody measured this", "use a real sensor"),
    "idle-drift": Reason("idle power before and after differ by more than 10 %", "let the machine settle first"),
    "idle-not-measured": Reason("no idle window: nothing can be said above idle", "set idle_s above 0"),
    "samples-repeated": Reason("fewer samples than queries: some were asked again", "bring more samples"),
    "warm-up-inside": Reason("the first tenth of the queries was more than 10 % slower", "raise warmup_n"),
}
