"""The alarm's voice: one issue for each thing that stands otherwise than before, for as long as it does.

An issue carries a mark: what it is about, how things stood before, and how they stand as far as it has told. So a run
that was cut off is simply done again, and says nothing twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

LIMIT = 65_536
"""Characters that GitHub takes for a body."""

CUT = "\n\n[… cut …]\n"

_MARK = re.compile(r"<!-- compatmatrix (\{.*?\}) -->")


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """An issue of ours, as far as it matters here."""

    number: int
    body: str
    open: bool


class Tracker(Protocol):
    """Where issues are: GitHub, or a stand-in that only remembers. Lists none but those that carry our label."""

    def issues(self) -> list[Issue]: ...
    def open(self, title: str, body: str) -> int: ...
    def comment(self, number: int, body: str) -> None: ...
    def edit(self, number: int, body: str) -> None: ...
    def close(self, number: int) -> None: ...


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What an issue is about, how it stood before the issue, and how it stands as far as the issue has told."""

    topic: str
    baseline: Mapping[str, str]
    current: Mapping[str, str]

    def __str__(self) -> str:
        # The text of an exception must not end the comment that hides it.
        text = json.dumps(msgspec.to_builtins(self), sort_keys=True)
        return "<!-- compatmatrix " + re.sub("[<>]", lambda match: f"\\u{ord(match[0]):04x}", text) + " -->"


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that may stand otherwise than before: its name, title, and what is to be said of it.

    ``body`` opens an issue, ``news`` is the comment when it moves again, ``back`` the one when it is as before.
    """

    name: str
    title: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    body: Callable[[], str]
    news: Callable[[], str]
    back: Callable[[], str]


def attend(tracker: Tracker, topic: Topic) -> str:
    """Bring the topic's issue to where things stand; returns in a sentence what was done."""
    ours = [(issue, mark) for issue in tracker.issues() if (mark := read_mark(issue.body)) and mark.topic == topic.name]
    ours.sort(key=lambda pair: (pair[0].open, pair[0].number))
    issue, mark = ours[-1] if ours else (None, None)
    if issue is None or mark is None or not issue.open:
        after = {**topic.before, **topic.after}  # what is not known now takes nothing back
        if after == topic.before:
            if issue and mark and mark.current != after:
                tracker.edit(issue.number, remark(issue.body, msgspec.structs.replace(mark, current=after)))
            return f"{topic.title}: nothing moved"
        if issue and mark and mark.current == after:
            return f"{topic.title}: told in #{issue.number}, which somebody has closed"
        opened = Mark(topic=topic.name, baseline=topic.before, current=after)
        number = tracker.open(topic.title, fitted(f"{opened}\n{topic.body()}"))
        return f"{topic.title}: opened #{number}"
    # A pairing that nobody asked for when the issue was opened joins as it stood before it moved.
    joined = Mark(
        topic=mark.topic, baseline={**topic.before, **mark.baseline}, current={**topic.before, **mark.current}
    )
    after = {**joined.current, **topic.after}
    if after == joined.current:
        return f"{topic.title}: #{issue.number} says so already"
    moved = msgspec.structs.replace(joined, current=after)
    if after == joined.baseline:
        tracker.comment(issue.number, fitted(topic.back()))
        tracker.edit(issue.number, remark(issue.body, moved))
        tracker.close(issue.number)
        return f"{topic.title}: closed #{issue.number}, it is as before"
    # The comment first: if what follows fails, it is said twice rather than never.
    tracker.comment(issue.number, fitted(topic.news()))
    tracker.edit(issue.number, remark(issue.body, moved))
    return f"{topic.title}: commented on #{issue.number}"


def read_mark(body: str) -> Mark | None:
    """The mark that begins an issue's body, None where there is none that can be read."""
    found = _MARK.match(body.lstrip())
    if found is None:
        return None
    try:
        return msgspec.json.decode(found[1], type=Mark)
    except msgspec.DecodeError:
        return None


def remark(body: str, mark: Mark) -> str:
    """The body with another mark."""
    return fitted(_MARK.sub(lambda _: str(mark), body.lstrip(), count=1))


def fitted(body: str) -> str:
    """At most as long as GitHub takes."""
    return body if len(body) <= LIMIT else body[: LIMIT - len(CUT)] + CUT
