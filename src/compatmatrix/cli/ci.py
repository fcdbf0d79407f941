"""The commands of the scheduled job after the cells have run: unite, say what moved, raise the alarm, publish."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from compatmatrix.analysis import changes as alarm
from compatmatrix.analysis import support
from compatmatrix.analysis.changes import Move, sentence
from compatmatrix.ci import github_files, issue_texts, issues, push_reports, run_result
from compatmatrix.ci.github import GitHub, NoIssuesError
from compatmatrix.ci.issues import Topic, Tracker
from compatmatrix.ci.run_result import Bulletin
from compatmatrix.cli.context import Setting
from compatmatrix.cli.options import DONE, FAILED_ON, UNEXAMINED
from compatmatrix.cli.run import write_reports
from compatmatrix.config.matrix_file import Config
from compatmatrix.core.encoding import format_instant
from compatmatrix.planning import plan_file
from compatmatrix.publish import labels
from compatmatrix.results import ledger


def merge(setting: Setting) -> int:
    """Unite what was delivered with our records, rebuild the reports, and write down what it comes to."""
    asked = setting.asked
    plan = plan_file.read(asked.plan) if asked.plan else None
    # A shard may have delivered anything: what is of another format is one damaged line among others.
    parts = [ledger.read(folder, refuse_formats=False) for folder in _holding_records(asked.delivered)]
    delivered = ledger.merge(*([plan_file.accepted(plan, part) for part in parts] + [plan.facts] if plan else parts))
    for key in {key for part in parts for key in part.records} - delivered.records.keys():
        setting.say(f"left out, for it was not planned: {key}")
    before, print_before = setting.ledger(), _fingerprint(setting)
    ledger.append(setting.records, delivered)
    after, _ = write_reports(setting)
    fresh = _fingerprint(setting) != print_before
    made = run_result.make(setting.config, setting.probes, plan, before, delivered, after, fresh)
    if asked.bulletin:
        run_result.save(made, asked.bulletin)
    setting.say(f"{len(delivered.records)} records delivered, {len(after.records)} in {setting.records} now")
    for move in made.alarms:
        setting.say(f"moved: {sentence(setting.config, move)}")
    for title in made.missing:
        setting.say(f"missing, published as not run: {title}")
    for title, why in made.failed:
        setting.say(f"not examined: {title}: {why}")
    for refusal in made.refusals:
        setting.say(f"not to be published: {refusal.why}")
    github_files.output("state", made.state)
    if made.refusals:
        return UNEXAMINED
    if "changed" in asked.fail_on and made.alarms:
        return FAILED_ON
    return UNEXAMINED if made.missing or made.failed else DONE


def changes(setting: Setting) -> int:
    """What moved since an instant."""
    known, since = setting.ledger(), format_instant(setting.asked.since)
    old, new = (support.view(one, setting.config, setting.probes) for one in (support.before(known, since), known))
    found = alarm.compare(old, new)
    if setting.asked.format == "json":
        tree = {
            "since": since,
            "subject": setting.config.subject.name,
            "verdict": str(labels.sentence(new)),
            "moves": found,
        }
        print(msgspec.json.format(msgspec.json.encode(tree, order="sorted"), indent=1).decode())
    elif setting.asked.format == "markdown":
        print(
            f"**{issue_texts.prose(labels.sentence(new))}**\n\nSince {since}:\n\n{issue_texts.moves(setting.config, found)}"
        )
    else:
        setting.say(str(labels.sentence(new)))
        if not old.cells:
            setting.say(f"nothing is on record from before {since} that today's could be held against")
        for line in _lines(setting.config, found):
            setting.say(line)
    return DONE


def raise_alarm(setting: Setting, tracker: Tracker | None = None) -> int:
    """Bring the issues to where things stand, and write the run's summary."""
    config, file = setting.config, setting.asked.bulletin
    found = run_result.read(file) if file.is_file() else None
    github_files.summary(issue_texts.summary(config, found) if found else issue_texts.job(config, None, closing=""))
    github_files.output("alarms", str(len(found.alarms) if found else 0))
    try:
        for topic in topics(config, found):
            setting.say(issues.attend(tracker or GitHub(), topic))
    except NoIssuesError as trouble:
        setting.say(f"{trouble}: the run's summary and the feed are all that says so; see docs/scheduling.md")
    return DONE


def publish(setting: Setting) -> int:
    """Commit what was merged to the branch that is published, unless the guard has refused it."""
    asked = setting.asked
    found = run_result.read(asked.bulletin)
    if found.refusals:
        for refusal in found.refusals:
            setting.say(f"refused: {refusal.why}")
        setting.say("what is published stays as it was")
        return UNEXAMINED
    merged = [ledger.read(folder) for folder in _holding_records([asked.merged])]
    here = asked.config.parent.resolve()

    def brought_up_to_date(copy: Path) -> str:
        # Read there: whoever was faster may have changed a probe.
        reports = None if asked.reports is None else copy / os.path.relpath(setting.reports, here)
        there = argparse.Namespace(**vars(asked) | {"config": copy / asked.config.name, "reports": reports})
        theirs = Setting(there, setting.console)
        ledger.append(theirs.records, ledger.merge(*merged))
        theirs.tell_damage(write_reports(theirs)[0])
        return _message(setting.config, found)

    done = push_reports.commit(here, brought_up_to_date, setting.say)
    setting.say("committed and pushed" if done else "nothing is new: nothing committed")
    github_files.output("committed", str(done).lower())
    return DONE


def topics(config: Config, found: Bulletin | None) -> Iterable[Topic]:
    """What may have an issue: the job itself, and where it works, the answer to the question."""
    name = config.subject.title or config.subject.name
    works = "It works again: this run examined what it had to, and may publish it."
    kinds = sorted({refusal.kind for refusal in found.refusals}) if found else ["no result"]
    yield Topic(
        name="job",
        title=f"{name} compatibility: the scheduled job needs attention",
        before={"job": "works"},
        after={"job": ", ".join(kinds) or "works"},
        body=lambda: issue_texts.job(config, found),
        news=lambda: issue_texts.job(config, found, closing=""),
        back=lambda: works,
    )
    if found and not found.refusals:
        before, after = (
            {pairing: standing.answer for pairing, standing in one.items()} for one in (found.before, found.after)
        )
        yield Topic(
            name=f"headline {config.subject.headline}",
            title=f"{name} compatibility: “{config.subject.question}” has another answer",
            before={**after, **before},  # what was not known before has not moved
            after=after,
            body=lambda: issue_texts.headline(config, found),
            news=lambda: issue_texts.headline(config, found, closing=""),
            back=lambda: issue_texts.headline(
                config, found, closing="It is as it was before this issue, which closes with it."
            ),
        )


def _holding_records(folders: Iterable[Path]) -> list[Path]:
    """Every folder at or below these that holds files of records; one that is not there delivered nothing."""
    return sorted({file.parent for folder in folders for file in folder.rglob("*.jsonl")})


def _fingerprint(setting: Setting) -> str:
    """Of everything that would be committed."""
    hashed = hashlib.sha256()
    for path in sorted(setting.reports.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            hashed.update(path.relative_to(setting.reports).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()


def _lines(config: Config, found: Sequence[Move]) -> Iterable[str]:
    yield from (sentence(config, move) for move in alarm.alarming(found))
    for (release, pairing, against), count in alarm.same(found).items():
        yield f"{config.subject.name} {release} ({pairing}): {count} answers the same as in {against}"
    if not found:
        yield "nothing moved"


def _message(config: Config, found: Bulletin) -> str:
    """Of the commit: the answer, and what moved."""
    name = config.subject.title or config.subject.name
    told = [sentence(config, move) for move in found.alarms[:20]] or ["No answer moved."]
    return f"Record {name} compatibility: {found.examined} cells\n\n{found.verdict}\n\n" + "\n".join(told) + "\n"
