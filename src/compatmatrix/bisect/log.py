"""The log of a bisection: what was asked and what was judged, as lines that this engine and git replay.

In a clone, `git bisect replay LOG` brings git to the same place; the comments hold what this engine reads back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from compatmatrix.bisect.search import SKIP, Step, Verdict
from compatmatrix.core.encoding import canonical
from compatmatrix.core.model import UserError

_QUESTION, _STEP = "# bisect: ", "# judged: "


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a bisection is about; ``digest`` is the probe's, for a changed question has other answers."""

    probe: str
    digest: str
    good: str
    bad: str
    subject: str = ""
    companion: str = ""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    item: str
    side: str
    verdict: Verdict


def render(question: Question, steps: Sequence[Step]) -> str:
    """The log; the same steps give the same bytes."""
    lines = [_QUESTION + canonical(question).decode()]
    if not question.companion:
        lines.append("git bisect start '--first-parent'")
    for step in steps:
        entry = _Entry(item=step.item, side=step.side, verdict=step.verdict)
        lines.append(_STEP + canonical(entry).decode())
        if not question.companion:
            lines.append(f"git bisect {step.side} {step.item}")
    return "".join(f"{line}\n" for line in lines)


def read(path: Path, question: Question) -> Mapping[str, Verdict]:
    """The verdicts of a log of the same question.

    Raises:
        UserError: there is no such file, it is no log, or it is about something else.
    """
    verdicts: dict[str, Verdict] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        asked = msgspec.json.decode(lines[0].removeprefix(_QUESTION), type=Question)
        for line in lines:
            if line.startswith(_STEP):
                entry = msgspec.json.decode(line.removeprefix(_STEP), type=_Entry)
                verdicts[entry.item] = entry.verdict
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"--replay {path}: no log of a bisection can be read ({str(error)[:200]})") from None
    if asked != question:
        differs = [name for name in Question.__struct_fields__ if getattr(asked, name) != getattr(question, name)]
        raise UserError(f"--replay {path}: the log is about something else; other: {', '.join(differs)}")
    return verdicts


def skipped(steps: Sequence[Step]) -> Mapping[str, str]:
    """The items that could not be judged, and why."""
    return {step.item: step.verdict.why for step in steps if step.side == SKIP}
