"""Issues on GitHub, by way of `gh`, which is on GitHub's runners and on many desks and brings its own credentials."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from compatmatrix.ci.issues import Issue
from compatmatrix.core.model import InfrastructureError
from compatmatrix.core.sanitize import line

LABEL = "compatibility-matrix"
"""Only who may triage can set a label: an issue that a stranger makes look like ours is not taken for one."""

SECONDS = 60


class NoIssuesError(InfrastructureError):
    """The repository has its issues switched off, as forks have unless somebody switches them on."""


class GitHub:
    """The tracker of the repository that `gh` finds: `GITHUB_REPOSITORY`, else the checkout's own."""

    def issues(self) -> list[Issue]:
        found = _call("GET", f"issues?labels={LABEL}&state=all&per_page=100")
        return [
            Issue(number=entry["number"], body=entry["body"] or "", open=entry["state"] == "open")
            for entry in found
            if "pull_request" not in entry
        ]

    def open(self, title: str, body: str) -> int:
        # Not left to the creation of the issue, which takes a label that is not there for an error in some organisations.
        label = {"name": LABEL, "color": "b60205", "description": "Kept by the scheduled job"}
        try:
            _call("POST", "labels", label)
        except InfrastructureError as trouble:
            if "HTTP 422" not in str(trouble):  # it is there already
                raise
        return int(_call("POST", "issues", {"title": title, "body": body, "labels": [LABEL]})["number"])

    def comment(self, number: int, body: str) -> None:
        _call("POST", f"issues/{number}/comments", {"body": body})

    def edit(self, number: int, body: str) -> None:
        _call("PATCH", f"issues/{number}", {"body": body})

    def close(self, number: int) -> None:
        _call("PATCH", f"issues/{number}", {"state": "closed", "state_reason": "completed"})


def _call(method: str, path: str, content: object = None) -> Any:
    """One call of the REST API.

    Raises:
        NoIssuesError: the repository has no issues.
        InfrastructureError: there is no `gh`, it did not answer in time, or the API said no.
    """
    command = ["gh", "api", "--method", method, f"repos/{{owner}}/{{repo}}/{path}"]
    environ = dict(os.environ)
    if repository := environ.get("GITHUB_REPOSITORY"):
        environ["GH_REPO"] = repository
    if content is not None:
        command += ["--input", "-"]
    try:
        done = subprocess.run(
            command,
            input=None if content is None else json.dumps(content),
            stdin=subprocess.DEVNULL if content is None else None,
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
    if done.returncode:
        if "HTTP 410" in done.stderr:
            raise NoIssuesError("this repository has its issues switched off")
        raise InfrastructureError(f"GitHub did not take {method} {path.partition('?')[0]}: {line(done.stderr, 300)}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise InfrastructureError(f"GitHub's answer to {method} {path.partition('?')[0]} cannot be read") from None
