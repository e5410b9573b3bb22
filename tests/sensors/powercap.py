"""A powercap tree in a folder, as the kernel lays it out."""

import tempfile
from pathlib import Path

RANGE_UJ = 262_143_328_850


def zone(root: Path, folder: str, name: str, energy_uj: int = 0, range_uj: int | None = RANGE_UJ) -> Path:
    path = root / "class" / "powercap" / folder
    path.mkdir(parents=True, exist_ok=True)
    (path / "name").write_text(name + "\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    if range_uj is not None:
        (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return path


def let_everybody_in(folder: Path) -> None:
    """Open a folder of a test, and those above it that are temporary too, to users without permission."""
    temporary = Path(tempfile.gettempdir())
    for parent in (folder, *folder.parents):
        if temporary not in parent.parents:
            break
        parent.chmod(0o755)
