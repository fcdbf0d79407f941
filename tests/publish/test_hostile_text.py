"""Hostile text from a release to every exit: whatever it says, each file parses, and what it said is text there."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from compatmatrix.analysis import grid, support
from compatmatrix.config.tables import Config
from compatmatrix.core.encoding import canonical, digest
from compatmatrix.core.errors import UserError
from compatmatrix.core.model import Record
from compatmatrix.publish import terminal, write
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger
from factories import HELD, RAISES, STANDALONE, SUPPORTED, config, record, release, unsigned
from hostile import INJECTIONS, MARK, hostile_ledger, invisible


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config(tmp_path_factory.mktemp("exits"))


class _Tags(HTMLParser):
    """Elements and attributes that a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            address = name in ("href", "src") and str(value).strip().lower().startswith(("javascript:", "data:"))
            if name.startswith("on") or address or MARK in name:
                self.bad.append(f"{tag} {name}={value}")
        foreign = tag == "img" and ":" in str(dict(attrs).get("src"))
        if foreign or tag in ("iframe", "object") or MARK in tag:
            self.bad.append(tag)


def _check(name: str, content: bytes) -> None:
    text = content.decode()
    kind = name.rsplit(".", 1)[-1]
    assert not invisible(text) - {"\n", "\t"} or kind == "json" or not (invisible(text) - {"\n", "\t", "\r"}), name
    if kind == "html":
        assert _Tags(text).bad == [], name
        scripts = re.findall(r"<script\b([^>]*)>", text)
        assert all("src=" in one or "application/json" in one for one in scripts), name
    elif kind in ("svg", "atom", "xml"):
        tree = ElementTree.fromstring(text)
        assert not [one.tag for one in tree.iter() if one.tag.rsplit("}", 1)[-1] in ("script", "foreignObject")]
    elif kind == "json":
        json.loads(text)
    elif kind == "csv":
        rows = list(csv.reader(io.StringIO(text)))
        assert len({len(row) for row in rows}) == 1, name
        assert not [cell for row in rows for cell in row if cell[:1] in ("=", "@", "\t", "\r")], name
        assert not [cell for row in rows for cell in row if MARK in cell and cell[:1] in ("+", "-")], name


@settings(max_examples=10)
@given(INJECTIONS)
def test_every_file_parses_and_no_text_becomes_anything_else(configured: Config, text: str) -> None:
    files = write.contents(support.view(hostile_ledger(text), configured, (HELD, STANDALONE)))
    assert {name.rsplit(".", 1)[-1] for name in files} >= {"html", "json", "md", "csv", "svg", "xml"} or files
    for name, content in files.items():
        _check(name, content)


@settings(max_examples=30)
@given(INJECTIONS)
def test_the_terminal_shows_it_and_the_log_takes_no_command_of_it(configured: Config, text: str) -> None:
    view = support.view(hostile_ledger(text), configured, (HELD, STANDALONE))
    out = io.StringIO()
    console = Console(file=out, width=250, force_terminal=False)
    terminal.print_table(console, view)
    terminal.print_map(console, "subject", grid.grid(view))
    terminal.print_release(console, view, view.cells, True)
    shown = out.getvalue()
    assert "run without network" in shown
    assert shown.count("tampering: ") == 2
    assert invisible(shown) <= {"\n"}
    assert not re.search(r"^\s*(::|##\[)", shown, re.MULTILINE)


@settings(max_examples=30)
@given(INJECTIONS)
def test_the_command_that_rebuilds_a_cell_is_words_to_a_shell(configured: Config, text: str) -> None:
    view = support.view(hostile_ledger(text), configured, (HELD, STANDALONE))
    out = io.StringIO()
    terminal.print_release(Console(file=out, width=250, force_terminal=False), view, view.cells[:1], True)
    assert MARK not in "".join(_commands(out.getvalue()))


def _commands(shown: str) -> Iterator[str]:
    """The words of the commands below `Reproduce:`; shlex refuses what no shell would take."""
    lines = shown.splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip().startswith("Reproduce:"))
    for line in lines[start + 1 :]:
        yield from shlex.split(line)


@settings(max_examples=40)
@given(INJECTIONS)
def test_what_is_stored_is_read_back_as_it_was(text: str) -> None:
    known = hostile_ledger(text)
    with tempfile.TemporaryDirectory() as folder:
        ledger.append(Path(folder), known)
        found = ledger.read(Path(folder))
    assert found.damage == ()
    assert found.records == {key: unsigned(one) for key, one in known.records.items()}
    assert found.evidence == known.evidence
    assert all(digest(text) == name for name, text in found.evidence.items())


@given(st.binary(max_size=400), st.integers(0, 2000))
def test_whatever_becomes_of_a_file_the_rest_is_used_and_repair_keeps_the_bad(blot: bytes, place: int) -> None:
    made = [record("0.1.0", companion=str(number)) for number in range(4)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger.append(folder, Ledger(records={one.key: one for one in made}))
        path = folder / "0.1.0.jsonl"
        whole = path.read_bytes()
        place %= len(whole)
        path.write_bytes(whole[:place] + blot + whole[place + len(blot) :])
        before = ledger.read(folder)
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
        assert len(before.records) + len(before.damage) >= len(lines) or len(set(lines)) < len(lines)
        ledger.repair(folder)
        assert ledger.read(folder).damage == ()
        assert _same(ledger.read(folder).records, before.records)
        aside = folder / "0.1.0.jsonl.damaged"
        assert len(aside.read_bytes().splitlines() if aside.exists() else ()) == len(before.damage)


@settings(max_examples=100)
@given(st.data())
def test_no_byte_that_flips_and_no_cut_makes_another_record(data: st.DataObject) -> None:
    made = record("0.1.0", {"standalone": RAISES, "held": SUPPORTED}, detail="whatever", companion="2.0")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger.append(folder, Ledger(records={made.key: made}, releases={"0.1.0": release("0.1.0")}))
        path = folder / data.draw(st.sampled_from(["0.1.0.jsonl", "releases.jsonl"]))
        whole = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(whole) - 1))
        if data.draw(st.booleans()):
            whole[place] ^= data.draw(st.integers(1, 255))
        else:
            del whole[place : len(whole) - 1]
        path.write_bytes(whole)
        try:
            found = ledger.read(folder)
        except UserError as refusal:  # the number of its format was hit
            assert "this version reads schema" in str(refusal)
            return
        assert all(one == unsigned(made) for one in found.records.values())
        assert all(one == release("0.1.0") for one in found.releases.values())
        assert len(found.records) + len(found.releases) + len(found.damage) >= (2 if len(whole) > 1 else 1)


def _same(one: Mapping[str, Record], other: Mapping[str, Record]) -> bool:
    return {key: canonical(value) for key, value in one.items()} == {
        key: canonical(value) for key, value in other.items()
    }
