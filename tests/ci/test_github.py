"""How `gh` is called, what its failures mean; nothing that a package says is a command to the runner."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from compatmatrix.ci import github
from compatmatrix.ci.github import LABEL, GitHub, NoIssuesError
from compatmatrix.core.model import InfrastructureError
from platforms import NEEDS_SHELL

pytestmark = NEEDS_SHELL  # the stand-in for `gh` is a script


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `gh` that keeps its arguments and input, and answers from a file; exits with 1 if there is none."""
    script = tmp_path / "gh"
    answer = tmp_path / "answer"
    script.write_text(f"""#!{sys.executable}
import json, os, sys
text = sys.stdin.read()
json.dump([sys.argv[1:], text, os.environ.get("GH_REPO")], open({str(tmp_path / "asked")!r}, "w"))
if not os.path.exists({str(answer)!r}):
    sys.exit(open({str(tmp_path / "error")!r}).read())
print(open({str(answer)!r}).read())
""")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "an/example")
    return tmp_path


def test_only_issues_with_our_label_are_listed_and_no_pull_requests(gh: Path) -> None:
    listed = [
        {"number": 2, "body": None, "state": "open"},
        {"number": 1, "body": "text", "state": "closed", "pull_request": {}},
    ]
    (gh / "answer").write_text(json.dumps(listed))
    (issue,) = GitHub().issues()
    assert (issue.number, issue.body, issue.open) == (2, "", True)
    arguments, text, repository = json.loads((gh / "asked").read_text())
    assert arguments == [
        "api", "--method", "GET", f"repos/{{owner}}/{{repo}}/issues?labels={LABEL}&state=all&per_page=100",
    ]  # fmt: skip
    assert text == ""
    assert repository == "an/example"


def test_what_is_written_goes_by_standard_input(gh: Path) -> None:
    (gh / "answer").write_text('{"number": 7}')
    assert GitHub().open("-title", "@body") == 7  # the label is made first, and this is what was asked last
    arguments, text, _ = json.loads((gh / "asked").read_text())
    assert arguments[2:] == ["POST", "repos/{owner}/{repo}/issues", "--input", "-"]
    assert json.loads(text) == {"title": "-title", "body": "@body", "labels": [LABEL]}


def test_a_repository_without_issues(gh: Path) -> None:
    (gh / "error").write_text("gh: Issues has been disabled in this repository (HTTP 410)")
    with pytest.raises(NoIssuesError):
        GitHub().issues()


def test_trouble(gh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (gh / "error").write_text("gh: Resource not accessible by integration (HTTP 403)")
    with pytest.raises(InfrastructureError, match="did not take PATCH issues/1: gh: Resource not accessible"):
        GitHub().close(1)
    (gh / "answer").write_text("<html>")
    with pytest.raises(InfrastructureError, match="cannot be read"):
        GitHub().comment(1, "text")
    monkeypatch.setenv("PATH", str(gh / "empty"))
    with pytest.raises(InfrastructureError, match="there is no `gh` here"):
        GitHub().issues()


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
