"""Outputs, summary and log: nothing that a package says commands the runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from compatmatrix.ci import github


def test_the_log_takes_no_commands_while_we_write_to_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with github.workflow_commands_off():
        print("::error::from a package")
    begin, end = capfd.readouterr().err.splitlines()
    assert begin == f"::stop-commands::{end.strip(':')}"
    assert len(end) > 30


def test_outputs_of_several_lines_end_where_they_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    github.output("one", "a\nEOF\nb=c")
    lines = (tmp_path / "output").read_text().splitlines()
    assert lines[0] == f"one<<{lines[-1]}"
    assert lines[1:-1] == ["a", "EOF", "b=c"]
