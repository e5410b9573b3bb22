import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from codecarbon_rows import row, text

from joulemark.interchange.codecarbon_csv import HEADERS
from joulemark.interchange.log_files import MEMBERS_MAX_N, LogError, Problem, log_files

CONTENT = text(HEADERS["2.3"], row("2.3")).encode()


def read(path: Path) -> tuple[dict[str, bytes], list[Problem]]:
    problems: list[Problem] = []
    return {file.name: file.stream.read() for file in log_files(path, problems)}, problems


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_archives_are_read_however_packed(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    plain = tar_of(tmp_path / "a", (tarfile.TarInfo("logs/emissions.csv"), CONTENT), (tarfile.TarInfo("LICENSE"), b"x"))
    packed = tmp_path / "logs.tar.any"
    packed.write_bytes(pack(plain.read_bytes()))
    found, problems = read(packed)
    assert found == {"logs/emissions.csv": CONTENT}
    assert [problem.what for problem in problems] == ["1 file in it is no CSV and was not read"]


def test_a_packed_csv_and_a_zip_are_read(tmp_path: Path) -> None:
    (tmp_path / "emissions.csv.gz").write_bytes(gzip.compress(CONTENT, mtime=0))
    assert read(tmp_path / "emissions.csv.gz")[0] == {"emissions.csv.gz": CONTENT}
    with zipfile.ZipFile(tmp_path / "logs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("logs/emissions.csv", CONTENT)
    assert read(tmp_path / "logs.zip")[0] == {"logs/emissions.csv": CONTENT}


def test_names_that_lead_out_and_links_are_skipped(tmp_path: Path) -> None:
    link, hard, pipe = tarfile.TarInfo("link.csv"), tarfile.TarInfo("hard.csv"), tarfile.TarInfo("pipe.csv")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/passwd"
    pipe.type = tarfile.FIFOTYPE
    names = ("../up.csv", "/etc/abs.csv", "a/../../up.csv", "good.csv")
    archive = tar_of(
        tmp_path / "evil.tar",
        *((tarfile.TarInfo(name), CONTENT) for name in names),
        *((m, b"") for m in (link, hard, pipe)),
    )
    found, problems = read(archive)
    assert list(found) == ["good.csv"]
    assert [problem.what for problem in problems] == ["skipped: its name leads out of the archive"] * 3 + [
        "skipped: a link or a special file"
    ] * 3
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["evil.tar"]


def test_the_same_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../up.csv", CONTENT)
        archive.writestr("/abs.csv", CONTENT)
        archive.writestr("..\\up.csv", CONTENT)
        link = zipfile.ZipInfo("link.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    found, problems = read(tmp_path / "evil.zip")
    assert found == {}
    assert len(problems) == 4


@pytest.mark.parametrize("kind", ["gz", "xz", "zip"])
def test_a_bomb_is_refused(tmp_path: Path, kind: str) -> None:
    bomb = tmp_path / f"bomb.{kind}"
    size_byte = 80 * 2**20
    if kind == "zip":
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("emissions.csv", "w") as member:
            for _ in range(size_byte >> 20):
                member.write(b"0" * 2**20)
    else:
        with (gzip.open if kind == "gz" else lzma.open)(bomb, "wb") as stream:
            for _ in range(size_byte >> 20):
                stream.write(b"0" * 2**20)
    with pytest.raises(LogError, match="expands to more than"):
        read_in_pieces(bomb)


def read_in_pieces(path: Path) -> None:
    for file in log_files(path, []):
        while file.stream.read(2**20):
            pass


def test_very_many_members_are_refused(tmp_path: Path) -> None:
    (tmp_path / "many.tar").write_bytes(tarfile.TarInfo("a.csv").tobuf() * (MEMBERS_MAX_N + 1))
    with pytest.raises(LogError, match="more than 50,000 files"):
        read(tmp_path / "many.tar")


def test_a_giant_header_for_a_name_is_not_read(tmp_path: Path) -> None:
    giant = tarfile.TarInfo("././@LongLink")
    giant.type, giant.size = tarfile.GNUTYPE_LONGNAME, 2**33
    (tmp_path / "giant.tar").write_bytes(giant.tobuf(tarfile.GNU_FORMAT) + b"x" * 10240)
    found, problems = read(tmp_path / "giant.tar")
    assert found == {}
    assert "cannot be read further" in problems[-1].what


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04rubbish", b"\x1f\x8brubbish", b"\xfd7zXZ\x00rubbish", gzip.compress(b"x" * 9, mtime=0)[:-6]]
)
def test_a_damaged_archive_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "damaged").write_bytes(content)
    _, problems = read(tmp_path / "damaged")
    assert len(problems) == 1
    assert "cannot be read further" in problems[0].what


def test_a_folder_is_read_in_order_without_following_links(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    (logs / "b").mkdir(parents=True)
    (logs / "b" / "2.csv").write_bytes(CONTENT)
    (logs / "1.csv").write_bytes(CONTENT)
    (tmp_path / "secret.csv").write_bytes(b"secret")
    (logs / "link.csv").symlink_to(tmp_path / "secret.csv")
    (logs / "loop").symlink_to(logs)
    os.mkfifo(logs / "pipe.csv")
    found, problems = read(logs)
    assert list(found) == ["1.csv", "b/2.csv"]
    assert len(problems) == 2
    assert all(problem.what.startswith("skipped") for problem in problems)
