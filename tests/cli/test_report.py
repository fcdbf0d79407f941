"""When reports are written, and when they are as they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

import fixtures
from compatmatrix.cli import context, report
from compatmatrix.core.encoding import digest
from compatmatrix.publish import markdown, write
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


def test_defect_reports_were_made_again_where_nothing_had_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = fixtures.Project.make(tmp_path, "https://example.org/simple/")
    contents = Mock(side_effect=write.contents)
    page, readme, program = project.reports / "site" / "index.html", tmp_path / "README.md", tmp_path / "program"
    readme.write_text(f"{markdown.BEGIN}\n{markdown.END}\n")
    program.mkdir()
    monkeypatch.setattr(write, "_PROGRAM", program)
    monkeypatch.setattr(write, "contents", contents)

    def made() -> bool:
        contents.reset_mock()
        report.write_reports(context.read(tmp_path / "matrix.toml", None, Console()))
        return contents.called

    assert made() and not made()
    right, text = write.written(project.reports), readme.read_text()
    for spoil in (
        lambda: page.write_text("another"),
        lambda: (project.reports / "compatibility.md").unlink(),
        lambda: page.with_name("stray.html").write_text(""),
        lambda: readme.write_text(text.replace("**", "")),
    ):
        spoil()
        assert made() and not made()
        assert (write.written(project.reports), readme.read_text()) == (right, text)
    changes: tuple[Callable[[], object], ...] = (
        lambda: project.set('title = "Subject"', 'title = "Another"'),
        lambda: fixtures.write(tmp_path, {"probes/test_new.py": 'def test_new():\n    """Is it?"""\n'}),
        lambda: ledger.append(project.records, Ledger(evidence={digest("text"): "text"})),
        lambda: fixtures.write(program, {"templates/index.html.j2": ""}),
    )
    for change in changes:
        change()
        assert made() and not made()
    assert project.main("report").code == 0 and contents.called, "whoever asks for them gets them made"
