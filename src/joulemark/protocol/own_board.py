"""Which board is a cell's own: without this, all of the machine, or all that a scheduler has given us, would count."""

from __future__ import annotations

import os
from dataclasses import replace

from joulemark.records import Cell
from joulemark.sensors import Setup
from joulemark.workloads import uses_one_device


def see_own_board(setup: Setup, cell: Cell) -> Setup:
    """See one board only, the one that the model will use; on a processor, none.

    For "auto" the environment of this process is changed to match, which CUDA reads when it is first asked. A function,
    or a runner that is not ours, may use all boards that the user has named.
    """
    kind, _, number = cell.settings.device.partition(":")
    if kind == "cpu":
        return replace(setup, visible_devices="")
    if setup.visible_devices is None:
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # CUDA's numbers are NVML's then
        own = number or "0"
    elif uses_one_device(cell):
        given = setup.visible_devices.split(",")
        own = given[int(number)] if number.isdigit() and int(number) < len(given) else given[0]
    else:
        return setup
    if kind == "auto":
        os.environ["CUDA_VISIBLE_DEVICES"] = own
    return replace(setup, visible_devices=own)
