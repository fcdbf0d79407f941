"""What the alarm says, in Markdown for issues, comments and summaries. Nobody is mentioned and nothing linked by a package's text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from compatmatrix.analysis.changes import Move, alarming, answer, same
from compatmatrix.ci.issues import LIMIT
from compatmatrix.ci.run_result import Bulletin
from compatmatrix.config.matrix_file import Config
from compatmatrix.core import sanitize
from compatmatrix.core.text import address
from compatmatrix.publish.labels import marks
from compatmatrix.publish.markdown import escaped

TELL = 300
"""Lines of a list: a day on which more moves has one cause, and the page has them all."""

HANDLING = (
    "_This issue is kept by the scheduled job: it comments when the answer moves again, and closes the issue when it is "
    "as before. Close it whenever you have seen it; it is not opened again for the same thing._"
)


def code(text: object) -> Markup:
    """One line as inline code, whatever it holds."""
    line = sanitize.line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return Markup(f"{fence}{pad}{line or ' '}{pad}{fence}")


def fenced(text: object, language: str = "text") -> Markup:
    """Several lines as a block of code, whatever they hold."""
    block = sanitize.block(text)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", block)), default=0))
    return Markup(f"{fence}{language}\n{block}\n{fence}")


def prose(text: object) -> Markup:
    """A word of ours, escaped; GitHub would still read an at sign as calling somebody."""
    return Markup(escaped(text).replace("@", "@\u2060"))


def commands(config: Config, move: Move) -> str:
    """What to type to see it."""
    lines = [f"git clone {config.publish.repository} matrix && cd matrix"] if config.publish.repository else []
    pins = f"--only '{config.subject.name}=={move.release}' --pairing {move.pairing}"
    return "\n".join([*lines, "python -m pip install nox", f"python -m nox -s matrix -- --fresh {pins}"])


def moves(config: Config, found: Sequence[Move], most: int = TELL) -> str:
    """The moves as a list; answers like those before are counted."""
    pieces = _pieces()
    told = [str(pieces.line(config, move)).strip() for move in alarming(found)]
    told = [*told[:most], *([f"- and {len(told) - most} more"] if len(told) > most else [])]
    for (release, pairing, against), count in same(found).items():
        name = prose(config.subject.title or config.subject.name)
        told.append(f"- {name} {prose(release)} ({prose(pairing)}): {count} answers the same as in {prose(against)}")
    return "\n".join(told) or "Nothing moved."


def summary(config: Config, bulletin: Bulletin) -> str:
    """The run's summary: the answer, what moved, what is in the way."""
    troubles = str(_pieces().troubles(bulletin)).strip()
    parts = [
        f"## {prose(config.subject.question)}",
        f"**{prose(bulletin.verdict)}**",
        f"{bulletin.examined} cells examined in this run.",
        "### What moved",
        moves(config, bulletin.moves),
        *(["### Nothing is published, because"] if bulletin.refusals else ["### Not examined"] if troubles else []),
        troubles,
    ]
    return "\n\n".join(part for part in parts if part)


def headline(config: Config, bulletin: Bulletin, closing: str = HANDLING) -> str:
    """The body of the issue about the headline, or with another ``closing`` a comment on it."""
    pieces = _pieces()
    subject = config.subject
    about = [move for move in bulletin.alarms if move.probe in (subject.headline, "")]
    others = [move for move in bulletin.alarms if move not in about]
    head = [
        f"**{prose(bulletin.verdict)}**",
        str(pieces.standings(bulletin.before, bulletin.after)).strip(),
        moves(config, about, most=20) if about else "",
    ]
    dossiers = [str(pieces.dossier(config, move)).strip() for move in about if move.probe]
    tail = [
        f"### What else moved\n\n{moves(config, others, most=20)}" if others else "",
        str(pieces.links(config, run_address(), ())).strip(),
        closing,
    ]
    return assembled(head, dossiers, tail)


def job(config: Config, bulletin: Bulletin | None, closing: str = HANDLING) -> str:
    """The body of the issue about the job itself."""
    pieces = _pieces()
    if bulletin is None:
        told = "The run came to no result at all: a job before this one died. Its log says where."
    else:
        told = f"What is published stays as it was.\n\n{str(pieces.troubles(bulletin)).strip()}"
    head = ["**The scheduled job does not publish what it found.**", told]
    return assembled(head, [], [str(pieces.links(config, run_address(), ())).strip(), closing])


def assembled(head: Iterable[str], parts: Iterable[str], tail: Iterable[str]) -> str:
    """As many of the parts, whole, as GitHub takes beside head and tail."""
    first, last = "\n\n".join(filter(None, head)), "\n\n".join(filter(None, tail))
    room = LIMIT - 2_000 - len(first) - len(last)
    kept: list[str] = []
    left_out = 0
    for part in parts:
        if room >= len(part) + 2 and not left_out:
            kept.append(part)
            room -= len(part) + 2
        else:
            left_out += 1
    note = f"[… {left_out} more are left out here; the page has them …]" if left_out else ""
    return "\n\n".join(part for part in (first, *kept, note, last) if part)


def run_address(environ: Mapping[str, str] = os.environ) -> str:
    """Where this run is to be seen, nothing on a desk."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environ.get(name, "") for name in names)
    return address(server, repository, "actions/runs", run) if server and repository and run else ""


def _pieces() -> Any:
    environment = Environment(
        loader=PackageLoader("compatmatrix.publish"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined,
    )  # fmt: skip
    environment.filters |= {"code": code, "fenced": fenced, "prose": prose}
    environment.globals |= {"address": address, "answer": answer, "commands": commands, "marks": marks}
    return environment.get_template("alarm.md.j2").module
