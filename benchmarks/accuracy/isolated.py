"""Run a program that sees a simulated tree as ``/sys/class/powercap``; to be started under ``unshare --mount``.

``python isolated.py POWERCAP COMMAND…``: all mounts are in the namespace of this process, and go with it. So does what
a tool leaves behind in shared memory when it is ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CLASSES = Path("/sys/class")
SHARED = Path("/dev/shm")


def main(powercap: str, *command: str) -> None:
    if not (CLASSES / "powercap").is_dir():  # no folder can be made in sysfs: put a copy of its level in its place
        _replace(CLASSES)
        (CLASSES / "powercap").mkdir()
    _mount("--bind", powercap, str(CLASSES / "powercap"))
    _replace(SHARED)  # the counters may be in one of its folders
    os.execvp(command[0], command)


def _replace(folder: Path) -> None:
    """Put a new folder in the place of ``folder``, with the same folders in it, and none of the files."""
    kept = tempfile.mkdtemp()
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    _mount("--rbind", str(folder), kept)
    _mount("-t", "tmpfs", "tmpfs", str(folder))
    for name in names:
        (folder / name).mkdir()
        try:
            _mount("--rbind", f"{kept}/{name}", str(folder / name))
        except subprocess.CalledProcessError:
            if Path(kept, name).exists():
                raise  # else it went while we looked: the counters of another cell
    subprocess.run(["umount", "--lazy", kept], check=True)
    Path(kept).rmdir()


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
