"""One HTML file with everything inside: the content packed, the scripts named by their hashes, nothing to fetch.

No text of the results is written as HTML: they are JSON inside a packed block, and the title is escaped.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

from joulemark.explorer.content import Content
from joulemark.explorer.queries import GZIP_LEVEL
from joulemark.failures import MendableError

MISSING = "the explorer needs vl-convert: pip install 'joulemark[figures]'"
GLOBALS = "window.vegaEmbed = vegaEmbed;"
TITLE_MAX_N = 120  # characters
_MARKER = re.compile(r"<!-- (CSP|TITLE|LIVE|STYLE|CONTENT|SCRIPTS) -->")
# What would end a script, start a state in which its end is not seen, or be changed by the parser of HTML.
_UNSAFE_SCRIPT = re.compile(r"</script|<!--|\r|\0", re.IGNORECASE)
_UNSAFE_STYLE = re.compile(r"</style|<!--", re.IGNORECASE)


def page(content: Content, tag: str | None = None) -> str:
    """The whole page. The same content gives the same text. With the content's ``tag`` it asks its own server for news.

    Raises :class:`~joulemark.failures.MendableError` where vl-convert, which has the drawing library, is missing.
    """
    scripts = (vega_bundle(), *page_scripts())
    parts = {
        "CSP": policy(scripts, live=tag is not None),
        "TITLE": html.escape(title(content)),
        "LIVE": "" if tag is None else f' data-live="{html.escape(tag)}"',
        "STYLE": style(),
        "CONTENT": "\n".join(_blocks(content)),
        "SCRIPTS": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    return _MARKER.sub(lambda marker: parts[marker[1]], _read("index.html"))


def title(content: Content) -> str:
    """The names of the sources, on one line, shortened."""
    names = ", ".join(source["name"] for source in content.data["sources"])
    names = "".join(character if character.isprintable() else " " for character in names)
    if len(names) > TITLE_MAX_N:
        names = f"{names[: TITLE_MAX_N - 1]}…"
    return f"{names} · joulemark" if names else "joulemark"


def policy(scripts: tuple[str, ...], live: bool) -> str:
    """The element that lets run these scripts and no other, and nothing be fetched but from a live page's server."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    rules = (
        "default-src 'none'",
        f"script-src {hashes}",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "connect-src 'self'" if live else "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(rules)}">'


def packed_json(data: Mapping[str, object]) -> bytes:
    """The content as gzip'd JSON, the same bytes for the same content."""
    return gzip.compress(msgspec.json.encode(data), GZIP_LEVEL, mtime=0)


@cache
def vega_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. Raises :class:`~joulemark.failures.MendableError`."""
    try:
        import vl_convert
    except ImportError:
        raise MendableError(MISSING) from None
    bundle = vl_convert.javascript_bundle(GLOBALS).replace("\r\n", "\n")
    return _safe("the drawing library", f"(() => {{{bundle}}})();")  # its short names stay its own


@cache
def page_scripts() -> tuple[str, ...]:
    """The page's own scripts, in their order."""
    return tuple(_safe(name, _read(name)) for name in _read("order.txt").split())


@cache
def style() -> str:
    """The page's style sheet."""
    text = _read("style.css")
    if _UNSAFE_STYLE.search(text):
        raise ValueError("style.css would end its element")
    return text


def _safe(name: str, script: str) -> str:
    """``script``, if it can stand inside an element of HTML as it is."""
    found = _UNSAFE_SCRIPT.search(script)
    if found:
        raise ValueError(f"{name} cannot stand in a page: it holds {found[0]!r}")
    return script


def _blocks(content: Content) -> list[str]:
    """Elements that no browser runs, in letters that end none."""
    blocks = {"content": packed_json(content.data)} | {
        f"queries-{name}": column for name, column in content.queries.items()
    }
    return [
        f'<script type="application/octet-stream;base64" id="{name}">{base64.b64encode(packed).decode()}</script>'
        for name, packed in blocks.items()
    ]


def _read(name: str) -> str:
    return files("joulemark").joinpath("explorer", "page", *name.split("/")).read_text(encoding="utf-8")
