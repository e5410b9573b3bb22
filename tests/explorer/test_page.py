"""One file, and a folder of files, read with a parser of HTML: what may run is named, and no name is ever HTML."""

import base64
import gzip
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from made_results import HOSTILE_NAME, hostile, one_run, only_failed

from joulemark.analysis.reference import PAPER
from joulemark.explorer.content import Content, content_of
from joulemark.explorer.gathering import gather
from joulemark.explorer.page import page, page_scripts, title, vega_bundle
from joulemark.explorer.site import write_page, write_site
from joulemark.failures import MendableError

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Elements(HTMLParser):
    """Every element with its attributes, and the text that directly follows the start of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inside = False
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[int, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = True

    def handle_data(self, data: str) -> None:
        self.texts.append((len(self.found) - 1 if self.inside else -1, data))

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [
            (attributes, "".join(text for element_i, text in self.texts if element_i == i))
            for i, (name, attributes) in enumerate(self.found)
            if name == tag
        ]


def content(*places: object) -> Content:
    return content_of([gather(str(place)) for place in places], AT)


def policy(elements: Elements) -> dict[str, list[str]]:
    (text,) = (
        attributes["content"] or ""
        for attributes, _ in elements.of("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = [rule.split() for rule in text.split(";")]
    return {name: sources for name, *sources in rules}


@pytest.fixture(scope="module")
def paper() -> str:
    return page(content(PAPER))


def test_the_same_content_gives_the_same_page(paper: str) -> None:
    assert page(content(PAPER)) == paper


def test_only_its_own_scripts_may_run(paper: str) -> None:
    elements = Elements(paper)
    rules = policy(elements)
    run = [text for attributes, text in elements.of("script") if "type" not in attributes]
    assert run == [vega_bundle(), *page_scripts()]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in run]
    assert rules.pop("script-src") == hashes
    assert rules == {
        "default-src": ["'none'"],
        "style-src": ["'unsafe-inline'"],
        "img-src": ["data:", "blob:"],
        "connect-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]


def test_nothing_is_fetched(paper: str) -> None:
    addresses = [
        value
        for _, attributes in Elements(paper).found
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data")
    ]
    assert all(value is not None and value.startswith(("#", "data:")) for value in addresses)
    assert "url(" not in (Elements(paper).of("style")[0][1]).replace("url(data:", "")


def test_a_live_page_may_ask_its_own_server() -> None:
    elements = Elements(page(content(PAPER), tag="0a1b"))
    assert policy(elements)["connect-src"] == ["'self'"]
    assert elements.of("html")[0][0]["data-live"] == "0a1b"
    assert "data-live" not in Elements(page(content(PAPER))).of("html")[0][0]


def test_the_content_is_inside_whole(tmp_path: Path) -> None:
    made = content(one_run(tmp_path / "made"))
    blocks = {
        attributes["id"]: gzip.decompress(base64.b64decode(text))
        for attributes, text in Elements(page(made)).of("script")
        if "type" in attributes
    }
    assert blocks.pop("content") == msgspec.json.encode(made.data)
    assert blocks == {f"queries-{name}": gzip.decompress(column) for name, column in made.queries.items()}
    assert {one["id"] for one in made.data["queries"]["columns"].values()} == blocks.keys()


def test_no_name_is_html(tmp_path: Path, paper: str) -> None:
    made = content(hostile(tmp_path / "<b>made"))
    assert made.data["sources"][0]["name"] == HOSTILE_NAME
    elements, plain = Elements(page(made)), Elements(paper)
    ignored = ("script",)  # there are more blocks of columns
    assert [tag for tag, _ in elements.found if tag not in ignored] == [
        tag for tag, _ in plain.found if tag not in ignored
    ]
    assert {str(attributes.get("id")) for attributes, _ in elements.of("script")} <= {
        "None", "content", "queries-duration_s", "queries-input_tokens_n", "queries-output_tokens_n", "queries-score",
    }  # fmt: skip
    assert elements.of("title")[0][1] == title(made)
    assert "<script>alert(11)" in title(made)
    assert "\u202e" not in title(made)


def test_a_long_name_makes_a_short_title(tmp_path: Path) -> None:
    made = content(*(hostile(tmp_path / str(i)) for i in range(5)))
    assert len(title(made)) < 140


def test_a_site_has_an_index_with_a_link_to_every_page(tmp_path: Path) -> None:
    places = [hostile(tmp_path / "<i>a" / "x"), only_failed(tmp_path / "b"), PAPER, PAPER]
    written = write_site(tmp_path / "site", [gather(str(place)) for place in places])
    names = sorted(file.name for file in (tmp_path / "site").iterdir())
    assert names == sorted(one.file.name for one in written)
    assert all(re.fullmatch(r"[a-z0-9-]+\.html", name) for name in names)
    index = Elements((tmp_path / "site" / "index.html").read_text())
    links = [attributes["href"] for attributes, _ in index.of("a")]
    assert sorted(filter(None, links)) == [name for name in names if name != "index.html"]
    assert len(index.of("tr")) == 1 + len(places)
    assert {tag for tag, _ in index.found} <= {
        "html", "head", "meta", "title", "link", "style", "body", "header", "h1", "span", "main", "p", "a", "table",
        "thead", "tbody", "tr", "th", "td", "bdi", "footer", "ul", "li",
    }  # fmt: skip
    assert not [name for _, attributes in index.found for name in attributes if name.startswith("on")]
    assert policy(index)["default-src"] == ["'none'"]
    text = "".join(part for _, part in index.texts)
    assert "<script>alert(11)" in text
    assert "OutOfMemoryError" in text
    assert "3,120" in text


def test_a_site_of_one_has_no_page_of_all(tmp_path: Path) -> None:
    write_site(tmp_path / "site", [gather(PAPER)])
    assert sorted(file.name for file in (tmp_path / "site").iterdir()) == ["index.html", "luccioni2024.html"]


def test_the_index_is_dark_where_the_page_is(tmp_path: Path) -> None:
    write_site(tmp_path / "site", [gather(PAPER)])
    text = (tmp_path / "site" / "index.html").read_text()
    dark = re.search(r':root\[data-theme="dark"\] \{([^{}]+)\}', text)
    assert dark is not None
    assert f"@media (prefers-color-scheme: dark) {{ :root {{{dark[1]}}} }}" in text


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(MendableError, match=r"choose another --out"):
        write_page(tmp_path / "page.html", [gather(PAPER)])
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
