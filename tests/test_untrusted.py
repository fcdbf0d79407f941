"""Whatever a cell leaves is read, listed and removed without an accident: nothing followed, nothing waited for."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix import untrusted
from compatmatrix.model import Trouble
from platforms import NEEDS_POSIX_FILES

pytestmark = NEEDS_POSIX_FILES


def soon(call: Callable[[], object], seconds: float = 20) -> object:
    """What a call gives, unless it waits for ever."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it does not come back"
    return found[0]


def nested(top: Path, depth: int, name: str = "d") -> None:
    """Folders in folders, with a file in the innermost; no path could name it."""
    folder = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


OTHERS: Mapping[str, Callable[[Path], None]] = {"fifo": fifo, "link": link, "folder": Path.mkdir, "socket": bound}
"""What can have a file's name and be none."""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path, as sockets need it."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    untrusted.remove(folder)


@pytest.mark.parametrize("kind", OTHERS)
def test_defect_what_is_no_file_was_opened_as_one(short: Path, kind: str) -> None:
    """A FIFO in the place of a report was waited for, and for ever."""
    OTHERS[kind](short / "report")
    assert soon(lambda: untrusted.read(short / "report", 100)) == b""


def test_what_is_read_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "report"
    assert untrusted.read(path, 4) == b""
    path.write_bytes(b"1234")
    assert untrusted.read(path, 4) == b"1234"
    path.write_bytes(b"12345")
    assert untrusted.read(path, 4) == b""
    os.truncate(path, 1 << 40)
    assert untrusted.read(path, 4) == b""


def test_a_device_without_an_end_is_no_file() -> None:
    assert untrusted.read(Path("/dev/zero"), 100) == b""


def listed(folder: Path, most: int = 1000) -> list[str]:
    return sorted(path for path, _ in untrusted.files(folder, most))


def test_all_that_is_no_folder_is_listed_and_no_link_is_followed(short: Path) -> None:
    for kind, make in OTHERS.items():
        make(short / kind)
    (short / "out").symlink_to("/usr")
    (short / "folder" / "file").write_text("")
    assert listed(short) == ["fifo", "folder/file", "link", "out", "socket"]


def test_what_is_looked_at_is_bounded_and_where_it_ends_is_said(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / "folder" / f"{number}").mkdir(parents=True)
        (tmp_path / "folder" / f"{number}" / "file").write_text("")
    assert len(listed(tmp_path)) == len(listed(tmp_path, 21)) == 10
    for most in range(1, 21):
        assert [path for path in listed(tmp_path, most) if not path.endswith("file")]
        assert len(listed(tmp_path, most)) <= most + 2
    assert listed(tmp_path, 0) == ["."]


def test_defect_a_link_in_the_place_of_a_folder_had_the_hosts_files_listed(tmp_path: Path) -> None:
    (tmp_path / "changes").symlink_to("/usr")
    with pytest.raises(OSError, match="no folder"):
        listed(tmp_path / "changes")


@pytest.mark.parametrize("name", ["d", "x" * 250])
def test_what_lies_too_deep_is_listed_by_the_folder_that_it_is_in(short: Path, name: str) -> None:
    nested(short, 3000, name)
    (path,) = listed(short)
    assert path.startswith(f"{name}/{name}/{name}")
    assert len(path) < 4400


@pytest.fixture
def ordinary() -> Iterator[Path]:
    """A folder of a user who is not root, who is that user meanwhile."""
    folder, user = Path(tempfile.mkdtemp()), os.geteuid()
    if user == 0:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    untrusted.remove(folder)


def test_a_folder_that_cannot_be_looked_into_is_listed_itself(ordinary: Path) -> None:
    (ordinary / "shut").mkdir(mode=0o000)
    assert listed(ordinary) == ["shut"]


@pytest.mark.parametrize("mode", [0o000, 0o100, 0o400, 0o500, 0o600])
def test_what_is_shut_is_removed(ordinary: Path, mode: int) -> None:
    (ordinary / "tree" / "shut" / "inner").mkdir(parents=True)
    (ordinary / "tree" / "shut" / "inner" / "file").write_text("")
    for folder in ("tree/shut/inner", "tree/shut", "tree"):
        (ordinary / folder).chmod(mode)
    untrusted.remove(ordinary / "tree")
    assert list(ordinary.iterdir()) == []


@pytest.mark.parametrize("name", ["d", "x" * 250])
def test_defect_a_tree_deeper_than_the_stack_was_not_removed(tmp_path: Path, name: str) -> None:
    """It raised RecursionError, and what was left ended the worker of every later run."""
    (tmp_path / "tree").mkdir()
    nested(tmp_path / "tree", 3000, name)
    untrusted.remove(tmp_path / "tree")
    assert list(tmp_path.iterdir()) == []


def test_anything_that_has_the_name_is_removed_and_no_link_is_followed(short: Path) -> None:
    kept = short / "kept"
    kept.mkdir()
    (kept / "file").write_text("")
    for kind, make in OTHERS.items():
        make(short / kind)
        untrusted.remove(short / kind)
    (short / "tree").mkdir()
    (short / "tree" / "link").symlink_to(kept)
    (short / "link").symlink_to(kept)
    untrusted.remove(short / "tree")
    untrusted.remove(short / "link")
    untrusted.remove(short / "not there")
    assert [path.name for path in short.iterdir()] == ["kept"]
    assert (kept / "file").exists()


def test_what_cannot_be_removed_is_trouble_and_the_rest_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    for number in range(10):
        (tree / f"{number}").mkdir(parents=True)
        (tree / f"{number}" / f"file-{number}").write_text("")
    unlink = os.unlink

    def unlinked(name: str, dir_fd: int) -> None:
        if name == "file-5":
            raise PermissionError(1, "Operation not permitted")
        unlink(name, dir_fd=dir_fd)

    with monkeypatch.context() as patch, pytest.raises(Trouble, match=r"tree cannot be removed \(Operation not perm"):
        patch.setattr(os, "unlink", unlinked)
        untrusted.remove(tree)
    assert [path.relative_to(tree).as_posix() for path in tree.rglob("*")] == ["5", "5/file-5"]


def test_a_temporary_folder_is_gone_whatever_is_in_it(tmp_path: Path) -> None:
    with suppress(KeyError), untrusted.temporary(tmp_path) as folder:
        nested(folder, 3000)
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Trouble, match="no temporary folder"), untrusted.temporary(tmp_path / "not there"):
        pass


NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: not set(name) & {0, 47} and name not in (b".", b".."))
TREES = st.recursive(
    st.sampled_from(["file", "fifo", "link"]), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)


def planted(path: Path, tree: object) -> None:
    if isinstance(tree, dict):
        path.mkdir()
        for name, inner in tree.items():
            planted(path / os.fsdecode(name), inner)
        path.chmod(len(tree) % 8 << 6)
    elif tree == "file":
        path.touch(0)
    elif tree == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/usr")


@given(TREES)
def test_any_tree_is_removed(tree: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        planted(Path(folder) / "tree", tree)
        untrusted.remove(Path(folder) / "tree")
        assert list(Path(folder).iterdir()) == []
