"""``joulemark explore``: results as one page to look around in, as a folder of pages, or served while a run goes on."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from joulemark.cli.table import print_json, printable
from joulemark.explorer.content import Content
from joulemark.explorer.gathering import gather
from joulemark.explorer.page import vega_bundle
from joulemark.explorer.serve import Served, open_server
from joulemark.explorer.site import Written, write_page, write_site
from joulemark.explorer.watching import PERIOD_S, Signature, signature
from joulemark.failures import MendableError
from joulemark.store import STUDY_FILE

RESULTS = Path("results")
NAMED_MAX_N = 6  # folders in a hint


@dataclass(frozen=True, slots=True)
class ExploreOptions:
    """What the command line says."""

    places: tuple[str, ...]
    out: str | None
    serving: bool
    port: int | None
    watching: bool
    json_out: bool


def show_explorer(options: ExploreOptions) -> None:
    """Write the page or the pages, or serve the page, and say where it is.

    Raises:
        MendableError: nothing to explore, a place without results, a file or port that cannot be used, no vl-convert.
    """
    if not options.places:
        raise MendableError(f"name results to explore: {_suggestion()}")
    if options.serving:
        if options.out is not None:
            raise MendableError("--serve shows the page itself: leave out --serve to write it to --out")
        _serve(options)
    elif options.port is not None:
        raise MendableError("--port is for --serve")
    else:
        _write(options)


def _suggestion() -> str:
    found = sorted(file.parent for file in RESULTS.glob(f"*/{STUDY_FILE}"))[:NAMED_MAX_N] if RESULTS.is_dir() else []
    if not found:
        return "joulemark explore luccioni2024 shows the ones that come with the package"
    return printable(
        " ".join(f"joulemark explore {folder}" if folder is found[0] else f"· {folder}" for folder in found)
    )


def _write(options: ExploreOptions) -> None:
    target = _target(options)
    vega_bundle()
    seen = signature(options.places)
    _tell(_written(target, options), options)
    if options.watching:
        _follow(target, options, seen)


def _follow(target: Path, options: ExploreOptions, seen: Signature) -> None:
    """Write again whenever the results change; what cannot be read, as when a line is torn, leaves the last pages."""
    print("watching; Ctrl-C ends it", file=sys.stderr, flush=True)
    try:
        while True:
            time.sleep(PERIOD_S)
            now = signature(options.places)
            if now == seen:
                continue
            seen = now
            try:
                _tell(_written(target, options), options)
            except MendableError as error:
                print(f"joulemark: left as it was: {printable(str(error))}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(file=sys.stderr)


def _written(target: Path, options: ExploreOptions) -> list[Written]:
    sources = [gather(place) for place in options.places]
    return write_site(target, sources) if _is_site(options) else [write_page(target, sources)]


def _is_site(options: ExploreOptions) -> bool:
    return options.out is not None and (options.out.endswith("/") or Path(options.out).is_dir())


def _target(options: ExploreOptions) -> Path:
    """The file or the folder to write. Raises :class:`MendableError` where it would mix with results."""
    if options.out is None:
        if len(options.places) > 1:
            return Path("explorer.html")
        name = re.sub(r"[^\w.-]+", "-", Path(options.places[0]).resolve().name)[:100].strip("-.")
        return Path(f"{name or 'explorer'}.html")
    target = Path(options.out)
    if _is_site(options) and (target / STUDY_FILE).exists():
        raise MendableError(f"{target} holds results: choose another --out for the pages")
    if not _is_site(options) and not target.parent.is_dir():
        raise MendableError(f"there is no folder {target.parent}: make it, or choose another --out")
    if not _is_site(options) and target.exists() and target.suffix.lower() not in (".html", ".htm"):
        raise MendableError(f"{target} is there and is no .html page: choose another --out")
    return target


def _tell(written: Sequence[Written], options: ExploreOptions) -> None:
    content = next(one.content for one in written if one.content is not None)
    main = written[-1]
    if options.json_out:
        print_json(
            {
                "file": str(main.file),
                "bytes": main.size_byte,
                "files": [{"file": str(one.file), "bytes": one.size_byte} for one in written],
                **_counts(content),
            }
        )
        return
    for one in written:
        print(f"{printable(str(one.file))}   {one.size_byte / 1e6:.1f} MB")
    _tell_content(content)
    print(f"open it in a browser: xdg-open {printable(str(main.file))}", flush=True)


def _counts(content: Content) -> dict[str, object]:
    data = content.data
    return {
        "sources": [
            {key: source[key] for key in ("name", "place", "cells_n", "runs_n", "failed_n", "details", "notes")}
            for source in data["sources"]
        ],
        "cells_n": len(data["cells"]),
        "runs_n": sum(source["runs_n"] for source in data["sources"]),
        "queries_n": data["queries"]["n"],
        "left_out": [
            *(source["details"] for source in data["sources"] if source["details"]),
            *([data["queries"]["why"]] if data["queries"]["why"] else []),
        ],
    }


def _count(n: int, what: str) -> str:
    return f"{n:,} {what if n == 1 else what.replace('query', 'querie') + 's'}"


def _tell_content(content: Content) -> None:
    data = content.data
    runs_n = sum(source["runs_n"] for source in data["sources"])
    amounts = ((len(data["cells"]), "cell"), (runs_n, "run"), (data["queries"]["n"], "single query"))
    print(", ".join(_count(n, what) for n, what in amounts))
    for source in data["sources"]:
        for note in (*source["notes"], source["details"]):
            if note:
                print(f"{printable(source['name'])}: {printable(note)}")
    if data["queries"]["why"]:
        print(printable(data["queries"]["why"]))


def _serve(options: ExploreOptions) -> None:
    served = Served(options.places, lambda line: print(f"joulemark: {printable(line)}", file=sys.stderr, flush=True))
    with open_server(served, options.port) as server:
        host, port = server.server_address[:2]
        url = f"http://{host!s}:{port}/"
        content = served.answer().content
        if options.json_out:
            print(json.dumps({"url": url, **_counts(content)}, ensure_ascii=False), flush=True)
        else:
            _tell_content(content)
            print(f"{url}   follows the results as they come; Ctrl-C ends it", flush=True)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            print()
