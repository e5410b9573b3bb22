"""Apple silicon: the energy counters that macOS keeps for each part of the chip, without privileges.

The library is private to macOS (IOReport, group "Energy Model"); its functions are those that open-source power
monitors declare. A sample holds the counts of all channels of the group; energy is the difference to the sample taken
when the sensor was opened, in the unit that the channel states (mJ, µJ or nJ). Chips made of several dies prefix the
names with ``DIE_n_``, or number the parts (``DRAM0_1``). Memory is not inside the processor's count.

None of this has been run on a Mac: there was none to try it on, only libraries of our own with the same functions.
Names, units and signatures are from https://github.com/dehydratedpotato/socpowerbud and
https://github.com/Cimburgia/mpwrm; compare with ``sudo powermetrics`` before relying on it.
"""

from __future__ import annotations

import ctypes
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from joulemark.failures import ReadFailure
from joulemark.measurement import Absence, Channel, Component, Provenance, Quantity
from joulemark.sensors import Found, Setup

CORE_FOUNDATION = "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation"
IO_REPORT = "/usr/lib/libIOReport.dylib"
COUNT_J = {"mJ": 1e-3, "uJ": 1e-6, "µJ": 1e-6, "nJ": 1e-9}

_UTF8 = 0x08000100  # kCFStringEncodingUTF8
_TEXT_MAX_BYTE = 256
_NAME = re.compile(r"(?:DIE_(?P<die>\d+)_)?(?P<part>CPU Energy|GPU Energy|(?:ANE|DRAM)\d*(?:_\d+)?)")
_PARTS = {"CPU": Component.CPU, "GPU": Component.GPU, "ANE": Component.BOARD, "DRAM": Component.DRAM}

_Pointer = ctypes.c_void_p
# Every function used: what it returns, and what it takes.
_FOUNDATION = {
    "CFStringCreateWithCString": (_Pointer, (_Pointer, ctypes.c_char_p, ctypes.c_uint32)),
    "CFStringGetCString": (ctypes.c_bool, (_Pointer, ctypes.c_char_p, ctypes.c_long, ctypes.c_uint32)),
    "CFDictionaryCreateMutableCopy": (_Pointer, (_Pointer, ctypes.c_long, _Pointer)),
    "CFDictionaryGetValue": (_Pointer, (_Pointer, _Pointer)),
    "CFArrayGetCount": (ctypes.c_long, (_Pointer,)),
    "CFArrayGetValueAtIndex": (_Pointer, (_Pointer, ctypes.c_long)),
    "CFRelease": (None, (_Pointer,)),
}
_REPORT = {
    "IOReportCopyChannelsInGroup": (_Pointer, (_Pointer, _Pointer, *[ctypes.c_uint64] * 3)),
    "IOReportCreateSubscription": (
        _Pointer,
        (_Pointer, _Pointer, ctypes.POINTER(_Pointer), ctypes.c_uint64, _Pointer),
    ),
    "IOReportCreateSamples": (_Pointer, (_Pointer, _Pointer, _Pointer)),
    "IOReportCreateSamplesDelta": (_Pointer, (_Pointer, _Pointer, _Pointer)),
    "IOReportChannelGetChannelName": (_Pointer, (_Pointer,)),
    "IOReportChannelGetUnitLabel": (_Pointer, (_Pointer,)),
    "IOReportSimpleGetIntegerValue": (ctypes.c_int64, (_Pointer, ctypes.c_int32)),
}


@dataclass(frozen=True, slots=True)
class _Report:
    """The two libraries and what is subscribed to."""

    foundation: Any
    library: Any
    subscription: int
    channels: Any
    first: int  # the sample taken when the sensor was opened
    owned: list[int]  # what is to be released in the end


@contextmanager
def apple(setup: Setup) -> Iterator[Found]:
    """One counter each for the processor, the GPU, the neural engine and the memory of every die."""
    if platform.system() != "Darwin":
        yield Found(absences=(Absence("apple", "this is not macOS"),))
        return
    with energy_report(CORE_FOUNDATION, IO_REPORT) as found:
        yield found


@contextmanager
def energy_report(core_foundation: str, io_report: str) -> Iterator[Found]:
    """The channels of the report that two libraries, by their paths, give; what was taken is released in the end."""
    try:
        report = _open_report(core_foundation, io_report)
    except (OSError, AttributeError) as error:
        yield Found(absences=(Absence("apple", f"the energy report of macOS cannot be read: {error}"),))
        return
    try:
        channels = [
            _channel(report, name, known, COUNT_J[unit])
            for name, (_, unit) in _counts(report).items()
            if (known := part_of_chip(name)) is not None and unit in COUNT_J
        ]
        absences = () if channels else (Absence("apple", "the energy report has none of the channels that are known"),)
        yield Found(tuple(channels), absences)
    finally:
        _release(report.foundation, report.owned)


def part_of_chip(name: str) -> tuple[str, Component] | None:
    """Our name for a channel of the report and the part it covers; ``None`` for what is inside another channel."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    part = match["part"].removesuffix(" Energy")
    suffix = "" if match["die"] is None else f"-die-{match['die']}"
    return f"{part.lower()}{suffix}", _PARTS[part.rstrip("0123456789_")]


def _channel(report: _Report, name: str, known: tuple[str, Component], count_j: float) -> Channel:
    return Channel(
        name=known[0],
        component=known[1],
        provenance=Provenance.COUNTER,
        quantity=Quantity.ENERGY,
        read=_reader(report, name),
        device=f"{name} (IOReport)",
        count_j=count_j,
        resolution_j=count_j,
        rests=known[1] is Component.BOARD,  # the neural engine is off while nothing runs on it
    )


def _reader(report: _Report, name: str) -> Callable[[], int]:
    def read() -> int:
        counted = _counts(report).get(name)
        if counted is None:
            raise ReadFailure("read-failed")
        return counted[0]

    return read


def _open_report(core_foundation: str, io_report: str) -> _Report:
    foundation, library = ctypes.CDLL(core_foundation), ctypes.CDLL(io_report)
    for loaded, functions in ((foundation, _FOUNDATION), (library, _REPORT)):
        for name, (result, arguments) in functions.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    owned: list[int] = []

    def own(made: int | None, otherwise: str) -> int:
        if not made:
            _release(foundation, owned)
            raise OSError(otherwise)
        owned.append(made)
        return made

    group = own(foundation.CFStringCreateWithCString(None, b"Energy Model", _UTF8), "it makes no text")
    found = own(library.IOReportCopyChannelsInGroup(group, None, 0, 0, 0), "there is no group 'Energy Model'")
    wanted = own(foundation.CFDictionaryCreateMutableCopy(None, 0, found), "its channels cannot be copied")
    channels = _Pointer()
    made = library.IOReportCreateSubscription(None, wanted, ctypes.byref(channels), 0, None)
    subscription = own(made, "it cannot be subscribed to")
    if channels.value:
        owned.append(channels.value)
    first = own(library.IOReportCreateSamples(subscription, channels, None), "it gives no sample")
    return _Report(foundation, library, subscription, channels, first, owned)


def _release(foundation: Any, owned: list[int]) -> None:
    """Release objects, the latest first."""
    while owned:
        foundation.CFRelease(owned.pop())


def _counts(report: _Report) -> dict[str, tuple[int, str]]:
    """What each channel has counted since the report was opened, with its unit; empty when no sample can be had."""
    foundation, library = report.foundation, report.library
    now = library.IOReportCreateSamples(report.subscription, report.channels, None)
    if not now:
        return {}
    moved = library.IOReportCreateSamplesDelta(report.first, now, None)
    foundation.CFRelease(now)
    if not moved:
        return {}
    key = foundation.CFStringCreateWithCString(None, b"IOReportChannels", _UTF8)
    rows = foundation.CFDictionaryGetValue(moved, key)
    counts: dict[str, tuple[int, str]] = {}
    for index in range(foundation.CFArrayGetCount(rows) if rows else 0):
        row = foundation.CFArrayGetValueAtIndex(rows, index)
        name = _text(foundation, library.IOReportChannelGetChannelName(row))
        unit = _text(foundation, library.IOReportChannelGetUnitLabel(row)).strip()
        counts[name] = library.IOReportSimpleGetIntegerValue(row, 0), unit
    foundation.CFRelease(key)
    foundation.CFRelease(moved)
    return counts


def _text(foundation: Any, string: int | None) -> str:
    buffer = ctypes.create_string_buffer(_TEXT_MAX_BYTE)
    if not string or not foundation.CFStringGetCString(string, buffer, _TEXT_MAX_BYTE, _UTF8):
        return ""
    return buffer.value.decode(errors="replace")
