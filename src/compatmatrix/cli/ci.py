"""The commands of the scheduled job after the cells have run: `merge`, `changes`, `announce`, `publish`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from compatmatrix.analysis import changes as analysis
from compatmatrix.analysis import support
from compatmatrix.ci import comment as comments
from compatmatrix.ci import github, issue_texts, issues, push_reports, run_result
from compatmatrix.ci.gate import Ledgers
from compatmatrix.ci.github import GitHub, NoIssuesError
from compatmatrix.cli import ci_options
from compatmatrix.cli import context as contexts
from compatmatrix.cli.context import Context
from compatmatrix.cli.exit_codes import exit_code
from compatmatrix.cli.options import DONE, UNEXAMINED
from compatmatrix.cli.report import write_reports, write_site
from compatmatrix.core import files
from compatmatrix.core.encoding import format_instant
from compatmatrix.core.errors import UserError
from compatmatrix.planning import plan_file
from compatmatrix.publish import change_words, labels, write
from compatmatrix.publish.render import prose
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


def merge(context: Context, chosen: ci_options.Merge) -> int:
    """Merge the delivered records into ours, rebuild the reports, and write the bulletin."""
    plan = plan_file.read(chosen.plan) if chosen.plan else None
    for folder in chosen.delivered:
        if not plan and not folder.is_dir():  # with a plan, the cells of a shard that delivered nothing are listed
            raise UserError(f"{folder}: there is no such folder of records")
    parts = [ledger.read(folder) for folder in _folders_with_records(chosen.delivered)]
    delivered = ledger.merge(*([plan_file.accepted(plan, part) for part in parts] + [plan.facts] if plan else parts))
    for key in {key for part in parts for key in part.records} - delivered.records.keys():
        context.say(f"ignored, because it was not planned: {key}")
    before, hash_before = context.ledger(), _hash_of_reports(context)
    ledger.append(context.records, delivered)
    after, _ = write_reports(context)
    ledgers = Ledgers(before=before, delivered=delivered, after=after)
    changed = _hash_of_reports(context) != hash_before
    bulletin = run_result.make(context.config, context.probes, plan, ledgers, changed)
    if chosen.bulletin:
        files.write_json(bulletin, chosen.bulletin)
    if plan:
        # What must not be published is not on the page either; that, and why, is in the status.
        status = run_result.status(plan, bulletin, context.view(after), issue_texts.run_address())
        write_site(context, before if bulletin.refusals else after, status)
    context.say(f"{len(delivered.records)} records delivered, {len(after.records)} in {context.records} now")
    for change in bulletin.alarms:
        context.say(f"changed: {change_words.sentence(context.config, change)}")
    for refusal in bulletin.refusals:
        context.say(f"not to be published: {refusal.why}")
    github.output("state", bulletin.state)
    run_now = {record.cell for record in delivered.records.values()}
    cells = [cell for cell in context.view(after).cells if cell.id in run_now]
    kinds = [change.kind for change in bulletin.changes]
    code = exit_code(context, chosen.fail_on, kinds, cells, bulletin.not_examined)
    return code or (UNEXAMINED if bulletin.refusals else DONE)


def changes(context: Context, chosen: ci_options.Changes) -> int:
    """Print the answers that changed since an instant."""
    config, known, since = context.config, context.ledger(), format_instant(chosen.since)
    old, new = (context.view(one) for one in (support.before(known, since), known))
    verdict, found = str(labels.sentence(new)), analysis.between_views(old, new)
    if chosen.format == "json":
        tree = {"since": since, "subject": config.subject.name, "verdict": verdict, "changes": found}
        print(msgspec.json.format(msgspec.json.encode(tree, order="sorted"), indent=1).decode())
        return DONE
    if chosen.format == "markdown":
        print(f"**{prose(verdict)}**\n\nSince {since}:\n\n{issue_texts.changes(config, found)}")
        return DONE
    context.say(verdict)
    if not old.cells:
        context.say(f"nothing is on record from before {since} to compare with")
    for change in analysis.alarming(found):
        context.say(change_words.sentence(config, change))
    for (release, pairing, against), count in analysis.same(found).items():
        context.say(
            f"{config.subject.name} {release} ({config.pairing_title(pairing)}): {count} answers the same as in {against}"
        )
    if not found:
        context.say("nothing changed")
    return DONE


def announce(context: Context, chosen: ci_options.Announce) -> int:
    """Create, update or close the issues, and write the run's summary. Without a bulletin, the run failed."""
    config = context.config
    bulletin = run_result.read(chosen.bulletin) if chosen.bulletin.is_file() else None
    github.summary(issue_texts.summary(config, bulletin) if bulletin else issue_texts.job(config, None, closing=""))
    github.output("alarms", str(len(bulletin.alarms) if bulletin else 0))
    try:
        for topic in issue_texts.topics(config, bulletin):
            context.say(issues.update(GitHub(), topic))
    except NoIssuesError as error:
        context.say(f"{error}: only the run's summary and the feed report this; see docs/scheduling.md")
    return DONE


def comment(context: Context, chosen: ci_options.Comment) -> int:
    """Write a comparison into the job's summary, and as the comment of a pull request."""
    text = comments.text(chosen.comparison, context.view(Ledger()))
    github.summary(text)
    if chosen.head is None:
        context.say(text)
    elif not comments.put(GitHub(), chosen.head, text):
        context.say(f"{chosen.head}: no open pull request is at this commit; nothing is written")
    return DONE


def publish(context: Context, chosen: ci_options.Publish) -> int:
    """Commit and push the merged reports, unless the bulletin refuses."""
    bulletin = run_result.read(chosen.bulletin)
    if bulletin.refusals:
        for refusal in bulletin.refusals:
            context.say(f"refused: {refusal.why}")
        context.say("the published reports stay as they are")
        return UNEXAMINED
    merged = [ledger.read(folder) for folder in _folders_with_records([chosen.merged])]
    here = chosen.config.parent.resolve()

    def change(copy: Path) -> str:
        # The probes and records of the copy: those of the newest commit, which may have changed either.
        reports = None if chosen.reports is None else copy / os.path.relpath(chosen.reports, here)
        there = contexts.read(copy / chosen.config.name, reports, context.console)
        ledger.append(there.records, ledger.merge(*merged))
        there.say_damage(write_reports(there)[0])
        name = context.config.subject.display_name
        lines = [change_words.sentence(context.config, change) for change in bulletin.alarms[:20]] or [
            "No answer changed."
        ]
        return "\n\n".join(
            [f"Record {name} compatibility: {bulletin.examined} cells", bulletin.verdict, "\n".join(lines) + "\n"]
        )

    done = push_reports.commit(here, change, context.say)
    context.say("committed and pushed" if done else "nothing is new: nothing committed")
    github.output("committed", str(done).lower())
    return DONE


def _folders_with_records(folders: Iterable[Path]) -> list[Path]:
    """Every folder at or below these that holds files of records; none if a folder does not exist."""
    return sorted({file.parent for folder in folders for file in folder.rglob("*.jsonl")})


def _hash_of_reports(context: Context) -> str:
    """The digest of everything that would be committed."""
    hashed = hashlib.sha256()
    built = context.reports / write.SITE
    for path in sorted(context.reports.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and built not in path.parents:
            hashed.update(path.relative_to(context.reports).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()
