"""The log of a bisection, as lines that `git bisect replay` reads; the comments hold the verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from compatmatrix.bisect.search import Step
from compatmatrix.core.encoding import canonical


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a bisection is about; ``digest`` is the probe's, ``subject`` a release beside which a companion is searched."""

    probe: str
    digest: str
    good: str
    bad: str
    subject: str = ""
    companion: str = ""

    @property
    def file(self) -> str:
        """Where the log is, below the reports."""
        beside = f"{self.subject}-{self.companion}-" if self.companion else ""
        return f"bisections/{beside}{self.probe}-{self.good[:12]}-{self.bad[:12]}.log"


def render(question: Question, steps: Sequence[Step]) -> str:
    """The log; the same steps give the same bytes. Releases of a companion are nothing that git could replay."""
    lines = ["# bisect: " + canonical(question).decode()]
    if not question.companion:
        lines.append("git bisect start '--first-parent'")
    for step in steps:
        lines.append("# judged: " + canonical(step).decode())
        if not question.companion:
            lines.append(f"git bisect {step.side} {step.item}")
    return "".join(f"{line}\n" for line in lines)
