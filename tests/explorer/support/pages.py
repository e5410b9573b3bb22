"""Pages under test, made by the installed program, once for all workers of a session."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

JOULEMARK = Path(sys.executable).with_name("joulemark")
PAPER = "luccioni2024"


class PageOf(Protocol):
    """Makes the page of that name, once, and says where it is."""

    def __call__(self, name: str) -> Path: ...


@dataclass(frozen=True, slots=True)
class Shared:
    """A folder that all workers of a session share."""

    root: Path

    def once(self, name: str, make: Callable[[Path], object]) -> Path:
        """The file or folder ``name``, made at a path of its own by whichever test comes first."""
        place = self.root / name
        with (self.root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                part = self.root / f"part-{name}"
                make(part)
                part.rename(place)
        return place

    def page(self, name: str, places: list[object]) -> Path:
        """The explorer of some places."""

        def make(folder: Path) -> None:
            folder.mkdir()
            program("explore", *places, "--out", folder / "page.html")

        return self.once(f"page-{name}", make) / "page.html"


def program(*arguments: object) -> str:
    """What the installed program prints; it must not fail, though it may have findings."""
    command = [str(JOULEMARK), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout
