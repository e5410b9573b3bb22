"""Modelled memory power: a constant for every GiB there is, ``--sensors modelled-dram``, only on request.

``P = 0.15 W/GiB``, right within times or divided by three. The same tebibyte is 42 W by CodeCarbon 3's rule per module
and 431 W by its version 2's 3/8 W/GB; the constant lies between the two per GiB (0.04 and 0.4 W). No sensor and
no load enters it, which is why nobody gets it unasked.
Sources: https://github.com/mlco2/codecarbon (both rules), https://github.com/Boavizta/boaviztapi (0.284 W/GB, fitted);
both write GB for what memory modules are sold in, 2³⁰ bytes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from joulemark.measurement import Absence, Channel, Component, Provenance, Quantity
from joulemark.sensors import Found, Setup
from joulemark.sensors.virtual import virtualised

POWER_W_PER_GIB = 0.15
FACTOR = 3.0


@contextmanager
def modelled_dram(setup: Setup) -> Iterator[Found]:
    """One channel for all memory that ``/proc/meminfo`` counts."""
    file = setup.proc / "meminfo"
    try:
        meminfo = file.read_text(errors="replace")
    except OSError as error:
        yield Found(absences=(Absence("modelled-dram", f"{file}: {error.strerror}"),))
        return
    match = re.search(r"^MemTotal:\s*(\d+) kB", meminfo, re.MULTILINE)
    if match is None:
        yield Found(absences=(Absence("modelled-dram", f"{file}: no MemTotal in it"),))
        return
    memory_byte = int(match[1]) * 1024
    power_w = POWER_W_PER_GIB * memory_byte / 2**30
    yield Found(
        (
            Channel(
                name="dram",
                component=Component.DRAM,
                provenance=Provenance.MODELLED,
                quantity=Quantity.ENERGY,
                read=time.monotonic_ns,
                device=f"{memory_byte / 2**30:.3g} GiB of memory, {power_w:.3g} W",
                count_j=power_w / 1e9,
                model_factor=FACTOR,
                reasons=("modelled", "virtual-machine") if virtualised(setup) else ("modelled",),
            ),
        )
    )
