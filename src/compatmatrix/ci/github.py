"""GitHub: issues and comments by way of `gh`, and the outputs, summary and log of a workflow's step.

`gh` is on GitHub's runners, and brings its own credentials. Text from a package must not act as a command: outputs have
an unpredictable delimiter, and the log's workflow commands are off while the engine writes to it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from compatmatrix.ci.issues import Issue
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.sanitize import cut, line

LABEL = "compatibility-matrix"
"""Marks our issues. Only people who may triage can set a label, so a stranger's issue is never taken for one of ours."""

SECONDS = 60

SUMMARY = 900_000
"""Characters of a step's summary: GitHub shows nothing of one that is longer than 1 MiB."""


class NoIssuesError(InfrastructureError):
    """Issues are disabled in the repository, as they are in a fork by default."""


class GitHub:
    """The issues of the repository that `gh` uses: `GITHUB_REPOSITORY`, else that of the current checkout."""

    def issues(self) -> list[Issue]:
        return [
            Issue(number=entry["number"], body=entry["body"] or "", open=entry["state"] == "open")
            for entry in _call("GET", f"issues?labels={LABEL}&state=all&per_page=100")
            if "pull_request" not in entry
        ]

    def open(self, title: str, body: str) -> int:
        # First the label: in some organizations, an issue with a label that does not exist is refused.
        label = {"name": LABEL, "color": "b60205", "description": "Managed by the scheduled job"}
        try:
            _call("POST", "labels", label)
        except InfrastructureError as error:
            if "HTTP 422" not in str(error):  # it exists already
                raise
        return int(_call("POST", "issues", {"title": title, "body": body, "labels": [LABEL]})["number"])

    def comment(self, number: int, body: str) -> None:
        _call("POST", f"issues/{number}/comments", {"body": body})

    def edit(self, number: int, body: str) -> None:
        _call("PATCH", f"issues/{number}", {"body": body})

    def close(self, number: int) -> None:
        _call("PATCH", f"issues/{number}", {"state": "closed", "state_reason": "completed"})

    def pull_request(self, branch: str, commit: str) -> int | None:
        """The open pull request of ``OWNER:BRANCH`` whose newest commit this is."""
        found = _call("GET", f"pulls?state=open&per_page=100&head={quote(branch)}")
        return next((int(entry["number"]) for entry in found if entry["head"]["sha"] == commit), None)

    def put_comment(self, number: int, mark: str, body: str) -> None:
        """Update our comment, which begins with the mark, or write it."""
        for entry in _call("GET", f"issues/{number}/comments?per_page=100"):
            # Anybody can write the mark, but not as a bot.
            if entry["user"]["type"] == "Bot" and entry["body"].startswith(mark):
                _call("PATCH", f"issues/comments/{entry['id']}", {"body": body})
                return
        self.comment(number, body)


def _call(method: str, path: str, content: object = None) -> Any:
    """Call the REST API once.

    Raises:
        NoIssuesError: the repository has no issues.
        InfrastructureError: there is no `gh`, it did not answer in time, or the API refused.
    """
    call = f"{method} {path.partition('?')[0]}"
    environ = dict(os.environ)
    if repository := environ.get("GITHUB_REPOSITORY"):
        environ["GH_REPO"] = repository
    try:
        done = subprocess.run(
            ["gh", "api", "--method", method, f"repos/{{owner}}/{{repo}}/{path}"]
            + ([] if content is None else ["--input", "-"]),
            input="" if content is None else json.dumps(content),
            env=environ,
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
        )
    except FileNotFoundError:
        raise InfrastructureError(
            "there is no `gh` here; install GitHub's command line tool and log in with it"
        ) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise InfrastructureError(f"gh did not answer ({type(error).__name__})") from None
    if "HTTP 410" in done.stderr:
        raise NoIssuesError("this repository has its issues switched off")
    if done.returncode:
        raise InfrastructureError(f"GitHub did not take {call}: {line(done.stderr, 300)}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise InfrastructureError(f"GitHub's answer to {call} cannot be read") from None


def output(name: str, value: str) -> None:
    """Set an output of this step; without a runner, do nothing."""
    delimiter = f"end-{secrets.token_hex(16)}"
    _append("GITHUB_OUTPUT", f"{name}<<{delimiter}\n{value}\n{delimiter}\n")


def summary(markdown: str) -> None:
    """Add to the summary on the run's page, escaped text only; without a runner, do nothing."""
    _append("GITHUB_STEP_SUMMARY", cut(markdown, SUMMARY) + "\n")


@contextmanager
def workflow_commands_off() -> Iterator[None]:
    """Have the runner read no line of the log as a workflow command.

    Announced on standard error, which the runner reads too: standard output may be redirected to a file.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        yield
        return
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print(f"::{token}::", file=sys.stderr, flush=True)


def _append(variable: str, text: str) -> None:
    file = os.environ.get(variable)
    if file:
        try:
            with Path(file).open("a", encoding="utf-8") as opened:
                opened.write(text)
        except OSError as error:
            raise InfrastructureError(f"{variable} cannot be written: {error.strerror}") from None
