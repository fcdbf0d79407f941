"""The Markdown of issues, comments and summaries. Text from a package can neither mention anybody nor become a link."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from compatmatrix.analysis.changes import Change, alarming, same
from compatmatrix.ci.issues import LIMIT, Topic
from compatmatrix.ci.run_result import Bulletin
from compatmatrix.config.tables import Config
from compatmatrix.core.text import address, marks
from compatmatrix.publish.render import environment, prose

MOST_LINES = 300
"""Lines of a list: more changes on one day have one cause, and the page lists them all."""

HANDLING = (
    "_The scheduled job updates this issue: it comments when the answer changes again, and closes the issue when it is as "
    "before. Close it at any time; it is not opened again for the same change._"
)


def commands(config: Config, change: Change) -> str:
    """The commands that reproduce a change."""
    lines = [f"git clone {config.publish.repository} matrix && cd matrix"] if config.publish.repository else []
    pins = f"--only '{config.subject.name}=={change.release}' --pairing {change.pairing}"
    return "\n".join([*lines, "python -m pip install nox", f"python -m nox -s matrix -- --fresh {pins}"])


def changes(config: Config, found: Sequence[Change], most: int = MOST_LINES) -> str:
    """The changes as a list; answers that stayed the same are counted."""
    lines = [str(_macros().line(config, change)).strip() for change in alarming(found)]
    lines = [*lines[:most], *([f"- and {len(lines) - most} more"] if len(lines) > most else [])]
    name = prose(config.subject.display_name)
    for (release, pairing, against), count in same(found).items():
        lines.append(
            f"- {name} {prose(release)} ({prose(config.pairing_title(pairing))}): {count} answers the same as in {prose(against)}"
        )
    return "\n".join(lines) or "Nothing changed."


def summary(config: Config, bulletin: Bulletin) -> str:
    """The run's summary: the answer, what changed, what prevents publishing."""
    problems = str(_macros().problems(bulletin)).strip()
    parts = [
        f"## {prose(config.subject.question)}",
        f"**{prose(bulletin.verdict)}**",
        f"{bulletin.examined} cells examined in this run.",
        "### What changed",
        changes(config, bulletin.changes),
        "### Nothing is published, because" if bulletin.refusals else "### Not examined" if problems else "",
        problems,
    ]
    return "\n\n".join(part for part in parts if part)


def headline(config: Config, bulletin: Bulletin, closing: str = HANDLING) -> str:
    """The text of the issue about the headline, or with another ``closing`` of a comment on it."""
    macros = _macros()
    about = [change for change in bulletin.alarms if change.probe in (config.subject.headline, "")]
    others = [change for change in bulletin.alarms if change not in about]
    head = [
        f"**{prose(bulletin.verdict)}**",
        str(macros.standings(config, bulletin.before, bulletin.after)).strip(),
        changes(config, about, most=20) if about else "",
    ]
    details = [str(macros.dossier(config, change)).strip() for change in about if change.probe]
    tail = [f"### Other changes\n\n{changes(config, others, most=20)}" if others else "", _links(config), closing]
    return _assembled(head, details, tail)


def job(config: Config, bulletin: Bulletin | None, closing: str = HANDLING) -> str:
    """The text of the issue about the scheduled job, or with another ``closing`` of a comment on it."""
    problem = "The run has no result: a job before this one failed. Its log has the reason."
    if bulletin:
        problem = f"The published reports stay as they are.\n\n{str(_macros().problems(bulletin)).strip()}"
    return _assembled(["**This run is not published.**", problem], [], [_links(config), closing])


def topics(config: Config, bulletin: Bulletin | None) -> Iterator[Topic]:
    """What can have an issue: the job itself and, if this run may be published, the answer to the question."""
    name = config.subject.display_name
    kinds = sorted({refusal.kind for refusal in bulletin.refusals}) if bulletin else ["no result"]
    yield Topic(
        name="job",
        title=f"{name} compatibility: the scheduled job needs attention",
        before={"job": "works"},
        after={"job": ", ".join(kinds) or "works"},
        body=lambda: job(config, bulletin),
        news=lambda: job(config, bulletin, closing=""),
        back=lambda: "It works again: this run examined its cells, and may be published.",
    )
    if bulletin and not bulletin.refusals:
        before, after = (
            {pairing: standing.answer for pairing, standing in standings.items()}
            for standings in (bulletin.before, bulletin.after)
        )
        yield Topic(
            name=f"headline {config.subject.headline}",
            title=f"{name} compatibility: “{config.subject.question}” has another answer",
            before={**after, **before},  # what was unknown before has not changed
            after=after,
            body=lambda: headline(config, bulletin),
            news=lambda: headline(config, bulletin, closing=""),
            back=lambda: headline(config, bulletin, closing="The answer is as it was before this issue."),
        )


def run_address(environ: Mapping[str, str] = os.environ) -> str:
    """The address of this workflow run; empty outside of one."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environ.get(name, "") for name in names)
    return address(server, repository, "actions/runs", run) if server and repository and run else ""


def _links(config: Config) -> str:
    return str(_macros().links(config, run_address())).strip()


def _assembled(head: Iterable[str], parts: Iterable[str], tail: Iterable[str]) -> str:
    """Head, as many whole parts as GitHub accepts in one body, tail."""
    first, last = "\n\n".join(filter(None, head)), "\n\n".join(filter(None, tail))
    room = LIMIT - 2_000 - len(first) - len(last)
    included: list[str] = []
    left_out = 0
    for part in parts:
        if left_out or len(part) + 2 > room:
            left_out += 1
        else:
            included.append(part)
            room -= len(part) + 2
    note = f"[… {left_out} more are left out here; the page has them …]" if left_out else ""
    return "\n\n".join(part for part in (first, *included, note, last) if part)


@cache
def _macros() -> Any:
    names = {"commands": commands, "marks": marks}
    return environment().get_template("alarm.md.j2", globals=names).module
