"""One issue for each topic that is in another state than before, for as long as it is.

An issue's body begins with a mark: the topic, its state before the issue, and the state that was reported last. So an
interrupted run can simply be repeated; it reports nothing twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

LIMIT = 65_536
"""Characters that GitHub accepts in a body."""

CUT = "\n\n[… cut …]\n"

_MARK = re.compile(r"<!-- compatmatrix (\{.*?\}) -->")


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """An issue with our label."""

    number: int
    body: str
    open: bool


class Tracker(Protocol):
    """Where issues are kept; it lists only those with our label."""

    def issues(self) -> list[Issue]: ...
    def open(self, title: str, body: str) -> int: ...
    def comment(self, number: int, body: str) -> None: ...
    def edit(self, number: int, body: str) -> None: ...
    def close(self, number: int) -> None: ...


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The topic of an issue, its state before the issue, and the state reported last."""

    topic: str
    baseline: Mapping[str, str]
    current: Mapping[str, str]

    def __str__(self) -> str:
        # The text of an exception must not end the comment that hides it.
        text = json.dumps(msgspec.to_builtins(self), sort_keys=True)
        return "<!-- compatmatrix " + re.sub("[<>]", lambda match: f"\\u{ord(match[0]):04x}", text) + " -->"


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """Something whose change of state is reported.

    Attributes:
        before: the state before this run; what is unknown is left out.
        after: the state now.
        body: the text of a new issue.
        news: the comment on another change.
        back: the comment that closes the issue, when the state is as before it.
    """

    name: str
    title: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    body: Callable[[], str]
    news: Callable[[], str]
    back: Callable[[], str]


def update(tracker: Tracker, topic: Topic) -> str:
    """Create, update or close the topic's issue; returns a sentence that says which.

    Raises:
        InfrastructureError: the tracker did not answer, or refused.
    """
    ours = [(issue, mark) for issue in tracker.issues() if (mark := read_mark(issue.body)) and mark.topic == topic.name]
    issue, mark = max(ours, key=lambda pair: (pair[0].open, pair[0].number), default=(None, None))
    if issue is None or mark is None or not issue.open:
        after = {**topic.before, **topic.after}  # what is unknown now has not changed
        if issue and mark and mark.current == after != topic.before:
            return f"{topic.title}: reported in #{issue.number}, which was closed by hand"
        if after == topic.before:
            if issue and mark and mark.current != after:
                tracker.edit(issue.number, _with_mark(issue.body, msgspec.structs.replace(mark, current=after)))
            return f"{topic.title}: nothing changed"
        opened = Mark(topic=topic.name, baseline=topic.before, current=after)
        number = tracker.open(topic.title, cut_to_limit(f"{opened}\n{topic.body()}"))
        return f"{topic.title}: opened #{number}"
    # What was unknown when the issue was opened joins with its state before this run.
    joined = Mark(
        topic=mark.topic, baseline={**topic.before, **mark.baseline}, current={**topic.before, **mark.current}
    )
    after = {**joined.current, **topic.after}
    if after == joined.current:
        return f"{topic.title}: #{issue.number} says so already"
    back = after == joined.baseline
    # The comment first: after a failure, it is repeated rather than lost.
    tracker.comment(issue.number, cut_to_limit(topic.back() if back else topic.news()))
    tracker.edit(issue.number, _with_mark(issue.body, msgspec.structs.replace(joined, current=after)))
    if back:
        tracker.close(issue.number)
        return f"{topic.title}: closed #{issue.number}, it is as before"
    return f"{topic.title}: commented on #{issue.number}"


def read_mark(body: str) -> Mark | None:
    """The mark that an issue's body begins with; None where none can be read."""
    match = _MARK.match(body.lstrip())
    try:
        return msgspec.json.decode(match[1], type=Mark) if match else None
    except msgspec.DecodeError:
        return None


def cut_to_limit(body: str) -> str:
    """The body, cut where it is longer than GitHub accepts."""
    return body if len(body) <= LIMIT else body[: LIMIT - len(CUT)] + CUT


def _with_mark(body: str, mark: Mark) -> str:
    return cut_to_limit(_MARK.sub(lambda _: str(mark), body.lstrip(), count=1))
