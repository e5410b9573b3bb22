"""What a machine says of itself, over a /proc and a /sys that are written here."""

from pathlib import Path

import pytest

from joulemark import store
from joulemark.sensors import Setup
from joulemark.sensors.machine import machine

X86, VIRTUAL_X86 = "flags\t\t: fpu vme sse\n", "flags\t\t: fpu hypervisor vme\n"
ARM = "BogoMIPS\t: 50.00\nFeatures\t: fp asimd evtstrm\n"


def described(folder: Path, cpuinfo: str | None, vendor: str = "", product: str = "", hypervisor: str = "") -> Setup:
    setup = Setup(sysfs=folder / "sys", proc=folder / "proc")
    firmware = setup.sysfs / "class" / "dmi" / "id"
    files = {
        setup.proc / "cpuinfo": cpuinfo and f"processor\t: 0\n{cpuinfo}",
        firmware / "sys_vendor": vendor,
        firmware / "product_name": product,
        setup.sysfs / "hypervisor" / "type": hypervisor,
    }
    for file, text in files.items():
        if text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
    return setup


@pytest.mark.parametrize(
    ("cpuinfo", "told", "virtual"),
    [
        (X86, {}, False),
        (X86, {"vendor": "QEMU"}, False),  # the processor knows
        (VIRTUAL_X86, {}, True),
        (ARM, {"vendor": "Amazon EC2", "product": "m7g.large"}, True),
        (ARM, {"vendor": "Amazon EC2", "product": "m7g.metal"}, False),
        (ARM, {"vendor": "Amazon EC2", "product": "c8g.metal-24xl"}, False),
        (ARM, {"vendor": "Google", "product": "Google Compute Engine"}, True),
        (ARM, {"vendor": "Microsoft Corporation", "product": "Virtual Machine"}, True),
        (ARM, {"vendor": "QEMU", "product": "QEMU Virtual Machine"}, True),
        (ARM, {"product": "KVM Virtual Machine"}, True),
        (ARM, {"hypervisor": "xen"}, True),
        (ARM, {"vendor": "NVIDIA", "product": "Grace CPU P5042"}, None),
        (ARM, {}, None),
        (None, {}, None),
    ],
)
def test_a_machine_is_virtual_or_not_or_does_not_say(
    tmp_path: Path, cpuinfo: str | None, told: dict[str, str], virtual: bool | None
) -> None:
    here = machine(described(tmp_path, cpuinfo, **told), ())
    assert here.virtualised is virtual
    store.add_machine(tmp_path, here)
    (stored,) = store.read_machines(tmp_path)
    assert stored.virtualised is virtual
