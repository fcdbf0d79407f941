"""Six days in the life of the scheduled job: the workflow as it stands, run in fresh clones on releases of a fake world."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fake_github.workflow import FakeGitHub
from fixtures import THIS, Project
from packages import world
from packages.index import Fault, LocalIndex
from packages.world import subject
from platforms import NEEDS_SHELL

pytestmark = [pytest.mark.story, NEEDS_SHELL]  # GitHub runs the steps of a workflow in bash

ROOT = Path(__file__).parents[2]
WORKFLOW = ".github/workflows/compatibility.yml"

README = """\
# An example

<!-- answer: made by `nox -s report` -->
<!-- /answer -->
"""


def status(forge: FakeGitHub) -> Any:
    """What the deployed page says of the job."""
    return json.loads((forge.page / "status.json").read_text())


@pytest.fixture
def forge(tmp_path: Path, index: LocalIndex) -> FakeGitHub:
    """A repository with this project's workflow and the fake world's matrix, on an index with two releases."""
    world.fill(index, world.HELPERS)
    index.add(world.COMPANIONS["companion-1.0"], world.COMPANIONS["companionlib-1.0"])
    index.add(subject("lacks-api", "0.1.0", "2025-01-10"), subject("raises", "0.2.0", "2025-02-10"))
    files = tmp_path / "files"
    project = Project.make(files, index.url, pythons=(THIS,))
    project.set("[groups]", '[publish]\nurl = "https://example.org/matrix"\n\n[groups]')
    (files / "README.md").write_text(README)
    for name in (WORKFLOW, ".gitignore"):
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, files / name)
    return FakeGitHub(tmp_path, files, WORKFLOW)


def test_six_days(forge: FakeGitHub, index: LocalIndex) -> None:
    # Day 1: everything is recorded and published; there is no alarm, for there was nothing before.
    day = forge.run()
    assert not day.failed, day.log
    assert set(day.results.values()) == {"success"}
    assert "No: A bare Value cannot be trained" in (forge.page / "index.html").read_text()
    assert "0.2.0" in forge.file("reports/records/releases.jsonl")
    assert "A bare Value cannot be trained" in forge.file("README.md")
    assert forge.issues == []
    first = forge.head
    assert status(forge)["missing"] == []
    assert status(forge)["planned"] == status(forge)["examined"] > 0
    assert "reports/timeline.svg" in forge.tracked
    assert not [path for path in forge.tracked if path.startswith("reports/site/")], "it is built, not committed"

    # Day 2: nothing is new: no cell is run, nothing is committed, nobody is told anything; the page is deployed again.
    day = forge.run()
    assert not day.failed, day.log
    assert day["plan"].outputs["shards"] == "0"
    assert day.results == {
        "plan": "success", "run": "skipped", "merge": "success", "announce": "success", "publish": "skipped",
        "pages": "success",
    }  # fmt: skip
    assert forge.head == first
    assert forge.issues == []

    assert status(forge)["planned"] == 0, "the page says that somebody looked"

    # Day 3: a release lifts the limitation; page, feed, badge, alarm and issue all say so, in one run.
    index.add(subject("works", "0.3.0", "2025-03-10"))
    day = forge.run()
    assert not day.failed, day.log
    assert "Yes: A bare Value can be trained since Subject 0.3.0" in forge.file("reports/compatibility.md")
    assert "since Subject 0.3.0" in (forge.page / "index.html").read_text()
    assert "0.3.0" in (forge.page / "changes.atom").read_text()
    assert "0.3.0" in (forge.page / "badges/standalone.svg").read_text()
    assert "**lifted**: Subject 0.3.0" in day["announce"].summary
    (issue,) = forge.issues
    assert issue["state"] == "open"
    assert issue["title"] == "Subject compatibility: “Can a bare Value be trained?” has another answer"
    assert "**lifted**" in issue["body"] and "--only 'subject==0.3.0'" in issue["body"]
    assert issue["comments"] == []

    # Day 4: a release regresses: the same issue says so, and closes, for it is as it was before.
    index.add(subject("raises", "0.4.0", "2025-04-10"))
    day = forge.run()
    assert not day.failed, day.log
    assert "**regressed**: Subject 0.4.0" in day["announce"].summary
    (issue,) = forge.issues
    assert "**regressed**" in issue["comments"][0]
    assert issue["state"] == "closed"
    assert "No: A bare Value cannot be trained as of Subject 0.4.0" in forge.file("reports/compatibility.md")
    fourth, page = forge.head, (forge.page / "index.html").read_text()

    # Day 5: the index is down: nothing is lost, nothing is published, and somebody is told.
    index.fault(Fault.UNREACHABLE)
    day = forge.run()
    assert day["publish"].result == "failure", day.log
    assert "refused: nothing could be planned" in day["publish"].log
    assert forge.head == fourth
    assert (forge.page / "index.html").read_text() == page
    assert day["pages"].result == "success", "the page says that the job is in trouble"
    assert "the index did not answer" in status(forge)["refusals"][0]
    assert "the index did not answer" in (forge.page / "status.html").read_text()
    _, trouble = forge.issues
    assert trouble["title"] == "Subject compatibility: the scheduled job needs attention"
    assert "the index did not answer" in trouble["body"]

    # Day 6: it is back: the job's issue closes, and nothing else has happened.
    index.heal()
    day = forge.run()
    assert not day.failed, day.log
    assert forge.head == fourth
    _, trouble = forge.issues
    assert trouble["state"] == "closed"
    assert len(trouble["comments"]) == 1


def test_a_pull_request_runs_a_smoke_shard_and_publishes_nothing(forge: FakeGitHub) -> None:
    first = forge.head
    run = forge.run("pull_request", branch="1/merge")
    assert not run.failed, run.log
    assert run.results == {
        "plan": "success", "run": "success", "merge": "success", "announce": "skipped", "publish": "skipped",
        "pages": "skipped",
    }  # fmt: skip
    assert forge.head == first
    assert forge.issues == []


def test_an_alarm_that_could_not_be_raised_is_raised_the_next_day(forge: FakeGitHub, index: LocalIndex) -> None:
    forge.run()
    first = forge.head
    index.add(subject("works", "0.3.0", "2025-03-10"))
    with forge.without_issues():
        day = forge.run()
    assert day["announce"].result == "failure"
    assert day["publish"].result == "skipped"
    assert forge.head == first
    # What was not published is news again.
    day = forge.run()
    assert not day.failed, day.log
    (issue,) = forge.issues
    assert "**lifted**" in issue["body"]
    assert forge.head != first
