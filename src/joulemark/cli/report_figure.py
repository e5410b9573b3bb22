"""``joulemark report --figure``: figures of the paper, of any results, as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from joulemark.analysis.figures import DRAWINGS, FORMATS, Figure, NothingToDraw, as_svg, draw, material, rendered
from joulemark.analysis.results import open_results, sums_of
from joulemark.cli.report import chosen_boundary, chosen_grid
from joulemark.cli.table import print_json, printable
from joulemark.failures import MendableError


def show_figures(
    place: str,
    numbers: Sequence[int],
    folder: Path,
    formats: Sequence[str] = FORMATS,
    boundary_name: str = "device",
    grid_name: str | None = None,
    json_out: bool = False,
) -> None:
    """Write figures of the results at ``place`` as ``figure-N.FORMAT`` into ``folder``, and say what was written.

    Of several figures, one for which the results hold nothing is named and left out.

    Raises:
        MendableError: a number or format there is not, nothing to draw, a library or the folder that cannot be used.
    """
    unknown = [str(one) for one in numbers if one not in DRAWINGS] + [one for one in formats if one not in FORMATS]
    if unknown or not numbers or not formats:
        raise MendableError(
            f"no figure or format '{', '.join(unknown)}'; there are figures {min(DRAWINGS)} to {max(DRAWINGS)} "
            f"as {', '.join(FORMATS)}"
        )
    boundary = chosen_boundary(boundary_name)
    results = open_results(place)
    grid = chosen_grid(grid_name, results.study)
    found = material(results, sums_of(results, boundary), boundary, grid)
    drawn: list[Figure] = []
    left_out: list[str] = []
    for number in dict.fromkeys(numbers):
        try:
            drawn.append(draw(number, found))
        except NothingToDraw as reason:
            left_out.append(str(reason))
    if not drawn:
        raise NothingToDraw(left_out[0] if len(left_out) == 1 else f"{left_out[0]} (and nothing for the others)")
    files = {figure.number: _write(figure, folder, formats) for figure in drawn}
    if json_out:
        print_json(
            {
                "study": results.study.name,
                "figures": [
                    {
                        "figure": figure.number,
                        "title": figure.title,
                        "caption": list(figure.caption),
                        "files": [str(file) for file in files[figure.number]],
                    }
                    for figure in drawn
                ],
                "left_out": left_out,
            }
        )
        return
    for figure in drawn:
        print(f"Figure {figure.number}   {figure.title}")
        for file in files[figure.number]:
            print(f"  {printable(str(file))}")
    for line in left_out:
        print(line)


def _write(figure: Figure, folder: Path, formats: Sequence[str]) -> list[Path]:
    svg = as_svg(figure)
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for form in dict.fromkeys(formats):
            file = folder / f"figure-{figure.number}.{form}"
            file.write_bytes(rendered(svg, form))
            made.append(file)
    except OSError as error:
        raise MendableError(f"cannot write {folder}: {error.strerror}; choose another --to") from None
    return made
