"""Images: decoded with limits, and folders of them, described by a file or sorted into a sub-folder for every class."""

from __future__ import annotations

import os
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from joulemark.workloads.raw_rows import RawRows, rows_in_memory, rows_of_lines
from joulemark.workloads.samples import Row
from joulemark.workloads.workload import WorkloadError

METADATA_FILES = ("metadata.jsonl", "metadata.csv")

# By kind of file, so that Pillow never hands an unknown file to a program such as Ghostscript.
_FORMATS = {
    ".bmp": "BMP", ".gif": "GIF", ".jpeg": "JPEG", ".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF",
    ".webp": "WEBP",
}  # fmt: skip
_SPLITS = ("train", "test", "validation", "valid", "val", "dev")


def rows_of_folder(folder: Path, split: str | None) -> RawRows:
    """The images of a folder, or of its sub-folder named like the split.

    A file ``metadata.jsonl`` or ``metadata.csv`` says in ``file_name`` which images there are and in other columns what
    they show; without one, each sub-folder is a class of that name. Its images come in the order of their names.

    Raises:
        WorkloadError: there is no such split, or no image, or nothing says what the images show.
    """
    inner = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if split is None and (splits := [name for name in inner if name in _SPLITS]):
        raise WorkloadError(f"{folder} has splits; say split = one of {', '.join(splits)}")
    place = folder / split if split else folder
    if not place.is_dir():
        raise WorkloadError(f"{folder} has no split {split!r}; it has {', '.join(inner) or 'no sub-folder'}")
    for name in METADATA_FILES:
        if (place / name).is_file():
            described = rows_of_lines(place / name)
            return RawRows(
                described.where,
                described.columns,
                described.read,
                described.pick,
                described.count,
                folder=place,
                inside=True,
            )
    found = sorted(path for path in place.rglob("*") if path.suffix.lower() in _FORMATS and path.is_file())
    if not found:
        raise WorkloadError(f"{place} holds no images, {' or '.join(METADATA_FILES)}, or parquet files")
    rows: list[Row] = []
    for path in found:
        own = path.relative_to(place)
        rows.append({"image": str(own)} | ({"label": own.parts[-2]} if len(own.parts) > 1 else {}))
    described = rows_in_memory(str(place), rows)
    return RawRows(
        described.where, described.columns, described.read, described.pick, described.count, folder=place, inside=True
    )


def image_bytes(value: Any, source: RawRows, where: str) -> Any:
    """The encoded image that a dataset's value stands for: bytes, {"bytes", "path"}, or the name of a file.

    A picture in memory stays one.

    Raises:
        WorkloadError: there is no such file, or it lies outside of a folder that it may not leave.
    """
    if hasattr(value, "tobytes") or isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        if isinstance(value.get("bytes"), bytes):
            return value["bytes"]
        value = value.get("path")
    if not isinstance(value, str):
        raise WorkloadError(f"{where}: the image is {type(value).__name__}, neither bytes nor the name of a file")
    if source.folder is None:
        raise WorkloadError(f"{where}: the image {value[:200]!r} is not in the dataset, only its name is")
    parts = Path(os.path.normpath(value)).parts  # by name alone: the files of the hub's cache are links to elsewhere
    if source.inside and parts[:1] in ((os.sep,), (os.pardir,)):
        raise WorkloadError(f"{where}: the image {value!r} lies outside of {source.folder}")
    path = source.folder / value
    try:
        if not path.is_file():  # nor a device, which has no end
            raise FileNotFoundError(path)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise WorkloadError(f"{where}: cannot read the image {str(path)[:200]}") from error


def decoded(image: Any, where: str) -> Any:
    """A picture in RGB.

    Raises:
        WorkloadError: the bytes are no image, or one of more pixels than Pillow takes for harmless (about 89 million).
    """
    from PIL import Image

    if not isinstance(image, bytes):
        return image
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(image), formats=sorted(set(_FORMATS.values()))) as opened:
                return opened.convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise WorkloadError(f"{where}: the image has too many pixels, more than {Image.MAX_IMAGE_PIXELS:,}") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise WorkloadError(f"{where}: cannot read the image: it is damaged, or no image of a known kind") from error
