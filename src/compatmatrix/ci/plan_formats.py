"""A plan for whoever carries it out: programs, GitHub's job matrix, GitLab's child pipeline, a cluster's array job."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from compatmatrix.planning.missing import Job
from compatmatrix.planning.plan_file import SECONDS_PER_CELL, Plan, Shard

GITLAB_BRANCH = "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"
GITLAB_REMOTE = "https://oauth2:${PUSH_TOKEN}@${CI_SERVER_HOST}/${CI_PROJECT_PATH}.git"


def as_json(plan: Plan, jobs: Sequence[Job]) -> str:
    """The plan for people and programs: without the locks, which only the saved file needs."""
    tree = {
        "planned": plan.planned,
        "wanted": plan.requested,
        "settled": plan.settled,
        "run": [
            {
                "cell": job.cell.id(),
                "python": job.cell.python,
                "versions": job.cell.versions,
                "pairings": job.labels,
                "probes": sorted(job.probes),
            }
            for job in jobs
        ],
        "not_examined": [{"cell": title, "why": why} for title, why in plan.failed],
        "minutes": round(len(plan.jobs) * SECONDS_PER_CELL / 60, 1),
        "shards": [shard.entry() | {"minutes": shard.minutes} for shard in plan.shards],
    }
    return json.dumps(tree, indent=1)


def as_matrix(shards: Sequence[Shard]) -> str:
    """GitHub's job matrix, on one line."""
    return json.dumps({"include": [shard.entry() for shard in shards]})


def as_lines(plan: Plan, file: Path) -> str:
    """One shell command a shard, for a cluster's array job."""
    return "".join(f"{_command(file, shard)}\n" for shard in plan.shards)


def as_gitlab(plan: Plan, file: Path) -> str:
    """The rest of the pipeline for GitLab CI, as its child: JSON, which is YAML too.

    Jobs of later stages are given the artefacts of all earlier ones, but not those of the parent: so its plan is handed
    on by a job of its own. A merge that ends with 3 makes the pipeline fail, and GitLab tell its owner: that is the alarm.
    """
    merge = f"python -m compatmatrix merge shards --plan {shlex.quote(str(file))} --bulletin reports/bulletin.json"
    jobs: dict[str, object] = {
        "stages": ["plan", "cells", "merge", "publish"],
        "default": {
            "image": "python:3.12",
            "before_script": ["python -m pip install --quiet --constraint constraints.txt ."],
        },
        "plan": {
            "stage": "plan",
            "needs": [{"pipeline": "$PLAN_PIPELINE", "job": "plan"}],
            "before_script": [],
            "script": [f"test -f {shlex.quote(str(file))}"],
            "artifacts": {"paths": [str(file)], "expire_in": "1 week"},
        },
    }
    jobs |= {f"cells {part.number}": _gitlab_cells(file, part) for part in plan.shards}
    jobs["merge"] = {
        "stage": "merge",
        "when": "always",
        "script": [f"{merge} --fail-on changed"],
        "allow_failure": {"exit_codes": [1]},
        "artifacts": {"when": "always", "paths": ["reports/"], "expire_in": "1 month"},
    }
    jobs["publish"] = {
        "stage": "publish",
        "rules": [{"if": GITLAB_BRANCH, "when": "always"}],
        "script": [
            'git checkout -B "$CI_COMMIT_BRANCH"',
            f'git remote set-url origin "{GITLAB_REMOTE}"',
            "python -m compatmatrix publish reports --bulletin reports/bulletin.json",
        ],
    }
    return json.dumps(jobs, indent=1) + "\n"


def _gitlab_cells(file: Path, part: Shard) -> dict[str, object]:
    return {
        "stage": "cells",
        "image": f"python:{part.python[-1]}",
        "timeout": "2 hours",
        "variables": {"COMPATMATRIX_CACHE": "$CI_PROJECT_DIR/.compatmatrix"},
        "cache": {"key": "cells", "paths": [".compatmatrix/uv/"]},
        "script": [_command(file, part)],
        "allow_failure": True,
        "artifacts": {"when": "always", "paths": [f"{_folder(part)}/records/"], "expire_in": "1 week"},
    }


def _command(file: Path, part: Shard) -> str:
    return f"python -m compatmatrix run --plan {shlex.quote(str(file))} --shard {part.shard} --reports {_folder(part)}"


def _folder(part: Shard) -> str:
    return f"shards/{part.number}"
