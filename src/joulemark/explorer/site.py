"""Pages on disk: one file, or a folder with an index that any web server or none can publish."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulemark.explorer.content import Content, content_of
from joulemark.explorer.gathering import Gathered
from joulemark.explorer.page import page, style
from joulemark.failures import MendableError

INDEX, ALL = "index.html", "all.html"
NAME_MAX_N = 60  # characters of a file's name
INDEX_STYLE = """main { overflow-x: auto; }
th[scope="row"] { text-align: left; }
p, ul { max-width: 100ch; margin: 8px 0; }"""
TEXT, TEXT_COLUMNS_N = ' class="text"', 3  # the first columns hold text, the others numbers and days
_DARK = re.compile(r':root\[data-theme="dark"\]( \{[^{}]*\})')

Json = Any


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written, and what is in it."""

    file: Path
    size_byte: int
    content: Content | None  # None: the index


def write_page(file: Path, sources: Sequence[Gathered]) -> Written:
    """One page with all sources. Raises :class:`~joulemark.failures.MendableError`."""
    content = content_of(sources)
    return Written(file, _write(file, page(content)), content)


def write_site(folder: Path, sources: Sequence[Gathered]) -> list[Written]:
    """A page per source, one with all of them where there are several, and an index; the index comes last.

    Raises :class:`~joulemark.failures.MendableError`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MendableError(f"cannot make {folder}: {error.strerror}; choose another --out") from None
    everything = content_of(sources)
    names = _file_names([row["name"] for row in everything.data["sources"]])
    if len(sources) == 1:
        written = [Written(folder / names[0], _write(folder / names[0], page(everything)), everything)]
    else:
        written = [Written(folder / ALL, _write(folder / ALL, page(everything)), everything)]
        for source, name in zip(sources, names, strict=True):
            written.append(write_page(folder / name, [source]))
    index = index_page(everything, names)
    return [*written, Written(folder / INDEX, _write(folder / INDEX, index), None)]


def index_page(content: Content, names: Sequence[str]) -> str:
    """A plain page with a row per source, whose own pages are called ``names``."""
    data = content.data
    rows = "\n".join(_index_row(data, source_i, name) for source_i, name in enumerate(names))
    headings = "".join(
        f'<th scope="col"{TEXT if column_i < TEXT_COLUMNS_N else ""}>{heading}</th>'
        for column_i, heading in enumerate(
            ("results", "machine", "tasks", "cells", "runs", "findings", "first run", "last run")
        )
    )
    notes = "\n".join(
        f"<li><bdi>{_text(source['name'])}</bdi>: {_text(note)}</li>"
        for source in data["sources"]
        for note in (*source["notes"], source["details"])
        if note
    )
    together = f'<p><a href="{ALL}">All of them side by side</a></p>' if len(names) > 1 else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>Results · joulemark</title>
<link rel="icon" href="data:,">
<style>
{style()}
{_dark_by_preference()}
{INDEX_STYLE}
</style>
</head>
<body>
<header><h1><span class="brand">joulemark</span> results</h1></header>
<main id="main">
<p>What 1,000 queries cost, with an interval and the reason to believe it.</p>
{together}
<table>
<thead><tr>{headings}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
{f"<ul>{notes}</ul>" if notes else ""}
</main>
<footer><p>Made {_text(data["made_at"][:16].replace("T", " "))} UTC by {_text(data["version"])}. \
No request leaves these pages.</p></footer>
</body>
</html>
"""


def _dark_by_preference() -> str:
    """The page's dark colours for a page without scripts, which cannot set a theme."""
    found = _DARK.search(style())
    if found is None:
        raise ValueError("style.css has no dark colours")
    return f"@media (prefers-color-scheme: dark) {{ :root{found[1]} }}"


def _index_row(data: dict[str, Json], source_i: int, name: str) -> str:
    source = data["sources"][source_i]
    cells = [cell for cell in data["cells"] if cell["source_i"] == source_i]
    machines = {cell["machine_i"]: None for cell in cells if cell["machine_i"] is not None}
    findings_n = sum(finding["source_i"] == source_i for finding in data["findings"])
    failed = f" ({source['failed_n']:,} failed)" if source["failed_n"] else ""
    cells_text = (
        ", ".join(data["machines"][machine_i]["label"] for machine_i in machines) or "none",
        ", ".join(dict.fromkeys(cell["task"] for cell in cells)) or "none",
        f"{source['cells_n']:,}",
        f"{source['runs_n']:,}{failed}",
        "not audited" if any(note.startswith("no findings") for note in source["notes"]) else f"{findings_n:,}",
        (source["first_at"] or "")[:10],
        (source["last_at"] or "")[:10],
    )
    link = f'<th scope="row"{TEXT}><a href="{html.escape(name)}"><bdi>{_text(source["name"])}</bdi></a></th>'
    columns = "".join(
        f"<td{TEXT if column_i < TEXT_COLUMNS_N else ''}><bdi>{_text(text)}</bdi></td>"
        for column_i, text in enumerate(cells_text, start=1)
    )
    return f"<tr>{link}{columns}</tr>"


def _text(text: str) -> str:
    """``text`` as HTML shows it: escaped, without control characters, and not longer than a row can bear."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return html.escape(clean if len(clean) <= 300 else f"{clean[:299]}…")


def _file_names(names: Sequence[str]) -> list[str]:
    """A name of plain letters for the page of each source, no two alike, none of them the index's."""
    found: list[str] = []
    taken = {INDEX, ALL}
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:NAME_MAX_N] or "results"
        wanted, number = f"{plain}.html", 1
        while wanted in taken:
            number += 1
            wanted = f"{plain}-{number}.html"
        taken.add(wanted)
        found.append(wanted)
    return found


def _write(file: Path, text: str) -> int:
    """Write a file whole or not at all; returns its bytes."""
    content = text.encode()
    part = file.with_name(f".{file.name[:100]}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MendableError(f"cannot write {file}: {error.strerror}; choose another --out") from None
    return len(content)
