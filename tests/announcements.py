"""A bulletin with hostile text in it, and a tracker that remembers its issues."""

from __future__ import annotations

import msgspec

from compatmatrix.analysis.changes import Change, Kind, LastAnswer
from compatmatrix.ci.issues import Issue
from compatmatrix.ci.run_result import Bulletin
from compatmatrix.core.model import Outcome
from compatmatrix.core.states import OutcomeState
from factories import SUPPORTED

HOSTILE = "@everyone ``` </details> --> <script>x</script> [a](http://b) ::error::x %0A::stop-commands::y #1 \x1b[31m"


def bulletin(text: str = HOSTILE, count: int = 1, **more: object) -> Bulletin:
    """The bulletin of a run in which packages put hostile text into their messages."""
    raises = Outcome(state=OutcomeState.RAISES, signature=text, message=text, where=text)
    change = Change(
        kind=Kind.REGRESSED, release="0.2.0", pairing="newest", probe="standalone", against="0.1.0", before=SUPPORTED,
        after=raises, python="3.11", versions={"companion": "1.0"}, detail=text, evidence=f"{text}\n" * 50,
    )  # fmt: skip
    standings = ({"newest": LastAnswer(release="0.1.0", answer=answer)} for answer in ("supported", f"raises {text}"))
    before, after = standings
    made = Bulletin(
        verdict=f"No: it raises {text}", examined=1, fresh=True, missing=(text,), failed=((text, text),), refusals=(),
        before=before, after=after, changes=(change,) * count,
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


class Recorder:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.kept: list[Issue] = []
        self.titles: list[str] = []
        self.comments: list[tuple[int, str]] = []

    def issues(self) -> list[Issue]:
        return list(self.kept)

    def open(self, title: str, body: str) -> int:
        self.titles.append(title)
        self.kept.append(Issue(number=len(self.kept) + 1, body=body, open=True))
        return len(self.kept)

    def comment(self, number: int, body: str) -> None:
        self.comments.append((number, body))

    def edit(self, number: int, body: str) -> None:
        self.kept[number - 1] = Issue(number=number, body=body, open=self.kept[number - 1].open)

    def close(self, number: int) -> None:
        self.kept[number - 1] = Issue(number=number, body=self.kept[number - 1].body, open=False)

    @property
    def states(self) -> list[bool]:
        return [issue.open for issue in self.kept]
