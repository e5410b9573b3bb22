"""Whether the machine is a virtual one, by what it tells programs.

x86 has a flag for it in ``/proc/cpuinfo``. Elsewhere the firmware's name for the machine (DMI) tells it, where that is
one of a cloud or of a usual program that runs virtual machines. Any other name says nothing. On EC2 the product is the
type of the instance (``m7g.large``), which says ``.metal`` where it is a whole machine.
Sources: dmi_vendor_table in https://github.com/systemd/systemd/blob/main/src/basic/virt.c, its patch "virt: add Amazon
EC2 to dmi vendor table" (ARM), Documentation/ABI/stable/sysfs-hypervisor-xen in Linux.
"""

from __future__ import annotations

import re
from pathlib import Path

from joulemark.sensors import Setup

_EC2 = "Amazon EC2"
_VIRTUAL = re.compile(
    r"^(KVM|QEMU|OpenStack|KubeVirt|Google Compute Engine|VMware|VMW|innotek GmbH|VirtualBox|Xen|Bochs|Parallels|BHYVE"
    r"|Hyper-V|Virtual Machine|Apple Virtualization)\b",
    re.IGNORECASE,
)


def virtualised(setup: Setup) -> bool | None:
    """Whether a hypervisor runs this machine; ``None`` where nothing tells."""
    flags = re.search(r"^flags\s*:(.*)$", _text(setup.proc / "cpuinfo"), re.MULTILINE)
    if flags is not None:
        return "hypervisor" in flags[1].split()
    if _text(setup.sysfs / "hypervisor" / "type"):
        return True
    vendor, product = (_text(setup.sysfs / "class" / "dmi" / "id" / name) for name in ("sys_vendor", "product_name"))
    if vendor == _EC2:
        return ".metal" not in product
    return True if _VIRTUAL.match(vendor) or _VIRTUAL.match(product) else None


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
