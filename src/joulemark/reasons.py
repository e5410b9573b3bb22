"""Codes for whatever weakens a figure, each with what it means and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """The plain words behind a code."""

    meaning: str
    remedy: str


# Codes of energies that nobody measured here, each with the word for them.
MADE_UP = {"fake-sensor": "fake", "replayed": "replayed"}

REASONS: dict[str, Reason] = {
    "read-failed": Reason("reading the channel failed during the window", "look at the kernel log and run again"),
    "idle-open": Reason(
        "a gap, a stuck gauge or a counter set back leaves open what an idle window took: the interval holds that",
        "run again, or measure longer idle windows",
    ),
    "not-readable": Reason(
        "the counter is there and others of its kind are read, but it may not be opened",
        "joulemark sensors says which, and what to do",
    ),
    "device-lost": Reason("the device went away during the window", "reset or replace the board, then run again"),
    "counter-went-back": Reason(
        "the counter went backwards: its driver was reloaded, or it wrapped at a range that is not known",
        "run again; a window that is read in between loses less",
    ),
    "wrap-ambiguous": Reason(
        "the counter may have wrapped once more between two readings, or been set back where it seems to have wrapped",
        "call refresh() every fifteen seconds or so",
    ),
    "counter-stood-still": Reason(
        "the counter did not move in a window longer than its update period", "check the driver; use another sensor"
    ),
    "energy-filtered": Reason(
        "SGX is enabled, so that the processor blurs its energy counters: short windows may be far off",
        "disable SGX in the firmware, or measure longer windows",
    ),
    "window-too-short": Reason("fewer than ten updates of the sensor fit in the window", "make the window longer"),
    "edges-delayed": Reason(
        "reading the counters around the window took more than 0.5 % of its time, as on a busy machine: what was drawn "
        "meanwhile is in the energy, and the interval reaches down to what it is without",
        "keep the machine less busy, or make the window longer",
    ),
    "no-samples": Reason("the gauge gave no sample in the window", "make the window longer"),
    "gauge-stood-still": Reason(
        "the gauge showed the very same power all the time: its driver may repeat an old value, and the interval holds "
        "all that may have been drawn",
        "look at the kernel log; use another sensor",
    ),
    "gauge-below-zero": Reason(
        "the gauge showed less than no power, which counts as none; the interval holds as much as it was below zero",
        "nothing to do: a sensor's offset shows where little is drawn",
    ),
    "sampling-gap": Reason(
        "samples are missing for longer than five periods: the interval holds all that may have been drawn meanwhile",
        "keep the machine less busy",
    ),
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
    "answer-late": Reason("the meter of the whole machine did not answer in time", "look at the meter, then run again"),
    "certificate-not-trusted": Reason(
        "the certificate of the meter of the whole machine is not trusted, or is that of another name",
        "set SSL_CERT_FILE to a file with the certificate, and use the name that it is for",
    ),
    "no-power-in-answer": Reason(
        "what the meter of the whole machine said holds no power above zero that is understood",
        "give a command or an address that answers with watts; see joulemark sensors",
    ),
    "module-scope": Reason(
        "the gauge covers a module (processor, GPU and memory), not the whole machine", "add a meter at the wall"
    ),
    "counter-of-module": Reason(
        "the board's energy counter is that of its whole module, processor and memory included: the board's own gauge "
        "is sampled instead",
        "nothing to do; the processor and its memory have gauges of their own (hwmon)",
    ),
    "counter-scope-unknown": Reason(
        "the board's energy counter, or its only gauge, may be that of its whole module: a gauge of the board alone is "
        "sampled instead, or without one the interval reaches down to nothing",
        "begin while the machine is idle: board and module must differ clearly to tell",
    ),
    "socket-scope": Reason(
        "the reading is of the whole socket of a processor with a GPU in it: what each of the two draws is not told",
        "nothing to do; the processor's own counter is not added to it",
    ),
    "partitions-share-counter": Reason(
        "the board is split into partitions that share one counter: its energy is that of the whole board",
        "keep the other partitions idle, or set the board to one partition (SPX)",
    ),
    "dies-unsure": Reason(
        "dies of one package may all show the counter of the package: whether they do could not be seen, so that their "
        "energy is that of one of them at least, and of all together at most",
        "begin while the machine is not busy, and give a container its whole share of the processors",
    ),
    "platforms-unsure": Reason(
        "several counters of the whole platform, of which it is not known whether they repeat one another or add up: "
        "the energy is that of the largest at least, and of all together at most",
        "measure the machine by a meter at the wall or in its controller; see joulemark sensors",
    ),
    "system-below-parts": Reason(
        "the meter of the whole machine reads less than its metered parts together: it does not cover all of them",
        "measure the machine by a meter at the wall or in its controller; see joulemark sensors",
    ),
    "mig-shared": Reason(
        "the board is split into instances that share one counter: its energy is that of the whole board",
        "keep the other instances idle, or turn MIG off",
    ),
    "two-dies": Reason(
        "the card has two dies and one counter: its energy is that of both", "use both dies or keep the other one idle"
    ),
    "part-time-sensor": Reason(
        "the board's sensor looks at about a quarter of the time: the interval holds whatever it may have missed",
        "repeat with pauses of varying length; compare with a meter at the wall",
    ),
    "counter-disagrees": Reason(
        "the counter and the power gauge of the device differ by more than 10 % over the same seconds of idling",
        "update the driver; compare with a meter at the wall",
    ),
    "board-not-metered": Reason(
        "the model ran on a board that no sensor reads: what it drew is not known, and no total holds it",
        "joulemark sensors says why none was found; NVIDIA boards need nvidia-ml-py and the driver's own library",
    ),
    "all-boards-counted": Reason(
        "several boards, and neither the environment nor a process of ours says which are ours: all count",
        "set CUDA_VISIBLE_DEVICES (NVIDIA) or ROCR_VISIBLE_DEVICES (AMD)",
    ),
    "device-order-assumed": Reason(
        "which boards are ours was told by number, and numbers were assumed to follow the PCI bus",
        "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name boards by UUID",
    ),
    "sampler-failed": Reason("the process that samples the gauges ended", "joulemark sensors says what it can read"),
    "fake-sensor": Reason("the fake sensor: nobody measured this", "use a real sensor"),
    "idle-drift": Reason("idle power before and after differ by more than 10 %", "let the machine settle first"),
    "idle-not-measured": Reason("no idle window: nothing can be said above idle", "set idle_s above 0 (--idle)"),
    "foreign-load": Reason(
        "other processes used more than 10 % of the processors", "stop them, or measure on an idle machine"
    ),
    "time-stolen": Reason("the host gave more than 1 % of the processors' time to others", "measure on the host"),
    "suspended": Reason("the machine was suspended or migrated in the window", "run again"),
    "throttled": Reason("heat or a power limit held the clocks down", "cool the machine, or state the limit"),
    "clock-limits-changed": Reason("governor or highest frequency changed in the window", "fix them, then run again"),
    "power-limit-changed": Reason("the power limit of a board changed in the window", "fix it, then run again"),
    "temperature-drift": Reason("a board's temperature moved by more than 10 °C", "warm up for longer"),
    "foreign-process-on-board": Reason("another process computes on the board", "stop it, or use another board"),
    "harness-heavy": Reason("the meter itself used more than 1 % of the window", "make the window longer"),
    "samples-repeated": Reason("fewer samples than queries: some were asked again", "bring more samples"),
    "samples-alike": Reason(
        "a hundredth of the samples or more are the same as another one", 'sample = "random:SEED", or other samples'
    ),
    "samples-empty": Reason("a hundredth of the samples or more are empty", 'sample = "first-nonempty"'),
    "samples-of-a-part": Reason(
        "drawn at random from the beginning of the dataset only: the hub has converted no more of it",
        "say so with the result, or give a file with the whole dataset",
    ),
    "samples-sorted": Reason(
        "the samples are sorted by their right answers, or all have the same one", 'sample = "random:SEED"'
    ),
    "inputs-cut": Reason(
        "half of the inputs or more are as long as the longest that is read: they were cut there",
        "raise input_tokens_max_n, or take a model that reads more",
    ),
    "warm-up-inside": Reason("the first tenth of the queries was more than 10 % slower", "raise warmup_n (--warmup)"),
    "queries-not-stated": Reason(
        "nobody said on importing how many queries a run made: a run counts as one, and 1,000 queries are 1,000 runs",
        "import the log again with --queries N, into another folder",
    ),
    "assumed-constant": Reason(
        "nothing measured it: a constant was assumed for the whole window", "measure it; see joulemark sensors"
    ),
}


def made_up(codes: Iterable[str]) -> tuple[str, ...]:
    """The words for energies with these codes that nobody measured here; none for measured ones."""
    return tuple(dict.fromkeys(MADE_UP[code] for code in codes if code in MADE_UP))
