"""The pictures of docs/gallery are taken by the tests as well; `make gallery` puts them there."""

from pathlib import Path

from gallery import PICTURES, readme, take
from pages import PageOf
from PIL import Image
from playwright.sync_api import Browser

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"


def test_the_gallery_can_be_taken_and_is_the_one_in_the_docs(browser: Browser, page_of: PageOf, tmp_path: Path) -> None:
    assert take(browser, page_of("both"), tmp_path) == []
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in GALLERY.iterdir()}
    assert (GALLERY / "README.md").read_text(encoding="utf-8") == readme()
    for picture in PICTURES:
        with Image.open(tmp_path / picture.file) as taken, Image.open(GALLERY / picture.file) as shown:
            assert taken.size == shown.size
            assert len(taken.getcolors() or []) > 8  # something is drawn
