"""Files are replaced as a whole, folders claimed by one worker, JSON files refused where they are not understood."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from compatmatrix.core import files
from compatmatrix.core.errors import InfrastructureError, UserError


class Note(msgspec.Struct, frozen=True, kw_only=True):
    schema: int = 1
    text: str = ""


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_or_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool) -> None:
    path = tmp_path / "new" / "file"
    files.replace(path, b"old", durable=durable)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        files.replace(path, b"new", durable=durable)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path], "nothing is left behind"


def test_a_folder_is_claimed_by_one_worker_at_a_time(tmp_path: Path) -> None:
    with files.claimed_folder(tmp_path) as one, files.claimed_folder(tmp_path) as other:
        assert one != other
    with files.claimed_folder(tmp_path) as again:
        assert again == one


def test_a_json_file_of_another_schema_or_kind_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    files.write_json(Note(text="x"), path)
    assert files.read_json(path, Note, 1, "write") == Note(text="x")
    with pytest.raises(UserError, match=r"note.json: a note of schema 1; this version reads 2"):
        files.read_json(path, Note, 2, "write")
    path.write_text("[]")
    with pytest.raises(UserError, match=r"note.json: no note can be read .*; `write` writes one"):
        files.read_json(path, Note, 1, "write")
    with pytest.raises(InfrastructureError, match="the note cannot be written"):
        files.write_json(Note(), path / "below")
