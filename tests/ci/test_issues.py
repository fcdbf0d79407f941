"""One issue for one thing, whatever happens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from announcements import Recorder, bulletin
from compatmatrix.ci.gate import Refusal
from compatmatrix.ci.github import NoIssuesError
from compatmatrix.ci.issue_texts import topics
from compatmatrix.ci.issues import LIMIT, Issue, Mark, Topic, cut_to_limit, read_mark, update
from compatmatrix.cli import ci
from compatmatrix.core import files
from factories import config
from fixtures import Project


def topic(before: Mapping[str, str], after: Mapping[str, str]) -> Topic:
    return Topic(
        name="question",
        title="It moved",
        before=before,
        after=after,
        body=lambda: "body",
        news=lambda: "news",
        back=lambda: "back",
    )


NO, YES, WORSE = {"newest": "raises"}, {"newest": "supported"}, {"newest": "no-effect"}


def test_an_issue_opens_when_it_moves_comments_when_it_moves_again_and_closes_when_it_is_back() -> None:
    tracker = Recorder()
    update(tracker, topic(NO, NO))
    assert tracker.kept == []
    update(tracker, topic(NO, YES))
    assert tracker.states == [True]
    assert tracker.comments == []
    update(tracker, topic(YES, WORSE))
    assert tracker.comments == [(1, "news")]
    update(tracker, topic(WORSE, NO))
    assert tracker.comments[1:] == [(1, "back")]
    assert tracker.states == [False]
    update(tracker, topic(NO, YES))
    assert tracker.states == [False, True]


def test_a_run_that_is_done_again_says_nothing_twice() -> None:
    tracker = Recorder()
    for _ in range(3):
        update(tracker, topic(NO, YES))
    for _ in range(3):
        update(tracker, topic(YES, YES))
    assert tracker.states == [True]
    assert tracker.comments == []


def test_what_somebody_has_closed_is_not_opened_again_for_the_same_thing() -> None:
    tracker = Recorder()
    update(tracker, topic(NO, YES))
    tracker.close(1)
    update(tracker, topic(NO, YES))
    update(tracker, topic(YES, YES))
    assert tracker.states == [False]
    update(tracker, topic(YES, WORSE))
    assert tracker.states == [False, True]


def test_a_thing_that_went_away_after_somebody_closed_its_issue_opens_another_when_it_comes_back() -> None:
    tracker = Recorder()
    well, ill = {"job": "works"}, {"job": "no plan"}
    update(tracker, topic(well, ill))
    tracker.close(1)
    update(tracker, topic(well, ill))
    assert tracker.states == [False]
    update(tracker, topic(well, well))
    update(tracker, topic(well, ill))
    assert tracker.states == [False, True]


def test_a_move_that_was_missed_is_told_while_the_issue_is_open() -> None:
    tracker = Recorder()
    update(tracker, topic(NO, YES))
    update(tracker, topic(WORSE, WORSE))
    assert tracker.comments == [(1, "news")]


def test_what_is_not_known_takes_nothing_back() -> None:
    tracker = Recorder()
    update(tracker, topic(NO, {}))
    update(tracker, topic(NO, YES))
    update(tracker, topic(YES, {}))
    assert tracker.states == [True]
    assert tracker.comments == []


def test_a_pairing_that_joins_later_is_minded_too() -> None:
    tracker = Recorder()
    update(tracker, topic(NO, YES))
    both = YES | {"release-day": "raises"}
    update(tracker, topic(both, both))
    assert tracker.comments == []
    update(tracker, topic(both, YES | {"release-day": "supported"}))
    assert tracker.comments == [(1, "news")]


def test_issues_of_other_things_and_of_strangers_are_left_alone() -> None:
    tracker = Recorder()
    tracker.open("It moved", "no mark")
    tracker.open("It moved", f"{Mark(topic='another', baseline=NO, current=YES)}\n")
    tracker.open("It moved", '<!-- compatmatrix {"nonsense": 1} -->')
    update(tracker, topic(NO, YES))
    assert tracker.states == [True] * 4
    assert tracker.comments == []


@given(st.lists(st.sampled_from([NO, YES, WORSE]), min_size=2, max_size=12))
def test_there_is_at_most_one_open_issue_and_it_says_where_things_stand(days: list[Mapping[str, str]]) -> None:
    tracker = Recorder()
    for before, after in pairwise(days):
        update(tracker, topic(before, after))
        standing = [read_mark(issue.body) for issue in tracker.kept if issue.open]
        assert len(standing) <= 1
        assert all(mark is not None and mark.current == after != mark.baseline for mark in standing)


@given(st.text(), st.text())
def test_a_mark_is_read_back_whatever_it_holds(name: str, answer: str) -> None:
    mark = Mark(topic=name, baseline={"newest": answer}, current={})
    assert read_mark(f"{mark}\nbody -->") == mark
    assert str(mark).count("-->") == 1


def test_a_body_is_cut_to_what_github_takes() -> None:
    assert cut_to_limit("x" * LIMIT) == "x" * LIMIT
    assert len(cut_to_limit("x" * (LIMIT + 1))) == LIMIT


def test_the_announcement_of_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project.make(tmp_path / "project", "https://example.org/simple/")
    files.write_json(bulletin(), tmp_path / "bulletin.json")
    tracker = Recorder()
    monkeypatch.setattr(ci, "GitHub", lambda: tracker)
    for name in ("OUTPUT", "STEP_SUMMARY"):
        monkeypatch.setenv(f"GITHUB_{name}", str(tmp_path / name))
    for _ in range(2):
        assert project.main("announce", str(tmp_path / "bulletin.json")).code == 0
    assert tracker.titles == ["Subject compatibility: “Can a bare Value be trained?” has another answer"]
    assert "**regressed**: Subject 0.2.0" in (tmp_path / "STEP_SUMMARY").read_text(encoding="utf-8")
    assert re.match(r"alarms<<(end-\w{32})\n1\n\1\n", (tmp_path / "OUTPUT").read_text())
    # A run that came to nothing: no bulletin.
    assert project.main("announce", str(tmp_path / "none.json")).code == 0
    assert tracker.titles[1:] == ["Subject compatibility: the scheduled job needs attention"]


def test_a_run_that_may_not_be_published_says_nothing_of_the_question(tmp_path: Path) -> None:
    configured = config(tmp_path)
    found = bulletin(refusals=(Refusal(kind="control", why="it failed"),))
    assert [one.name for one in topics(configured, found)] == ["job"]


def test_a_repository_without_issues_still_has_its_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Off(Recorder):
        def issues(self) -> list[Issue]:
            raise NoIssuesError("this repository has its issues switched off")

    project = Project.make(tmp_path / "project", "https://example.org/simple/")
    files.write_json(bulletin(), tmp_path / "bulletin.json")
    monkeypatch.setattr(ci, "GitHub", Off)
    said = project.main("announce", str(tmp_path / "bulletin.json"))
    assert said.code == 0
    assert "issues switched off" in said.out
