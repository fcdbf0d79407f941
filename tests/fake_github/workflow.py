"""A GitHub of one's own: runs a workflow's jobs in order in fresh clones, with actions that copy folders, and a `gh`.

What the steps `run:` is run as it stands, by bash; what stands in for GitHub is only what GitHub itself does.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fake_github.expressions import condition, filled, truth, value


@dataclass
class Job:
    """What became of a job, or of one of a matrix."""

    result: str = "success"
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""


@dataclass
class Run:
    """What became of a workflow's jobs, by id; several of one matrix are numbered."""

    jobs: dict[str, Job]

    def __getitem__(self, name: str) -> Job:
        return self.jobs[name]

    @property
    def results(self) -> dict[str, str]:
        return {name: job.result for name, job in self.jobs.items()}

    @property
    def failed(self) -> bool:
        """Red, and a mail to the owner."""
        return any(job.result == "failure" for job in self.jobs.values())

    @property
    def log(self) -> str:
        return "\n".join(f"=== {name}: {job.result}\n{job.log}" for name, job in self.jobs.items())


class FakeGitHub:
    """A repository with a workflow, its issues, its page, its artifacts and caches.

    Args:
        files: What is committed in it at first; None where ``repository`` is there.
        workflow: The path of the workflow.
        others: Repositories whose workflows may be called and that may be checked out, by their names.
    """

    def __init__(
        self,
        folder: Path,
        files: Path | None,
        workflow: str,
        *,
        repository: Path | None = None,
        others: Mapping[str, Path] | None = None,
    ) -> None:
        self.folder, self.workflow, self.others = folder, workflow, others or {}
        self.bare, self.page, self.runs = repository or folder / "project.git", folder / "page", 0
        self._issues = folder / "issues.json"
        self._issues.write_text("[]")
        self._pulls = self._issues.with_suffix(".pulls")
        self._pulls.write_text("[]")
        tools = folder / "tools"
        tools.mkdir()
        gh = tools / "gh"
        command = [sys.executable, str(Path(__file__).with_name("gh.py")), str(self._issues)]
        gh.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        gh.chmod(0o755)
        if files is None:
            return
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        work = folder / "first"
        git(folder, "clone", "--quiet", str(self.bare), str(work))
        shutil.copytree(files, work, dirs_exist_ok=True)
        git(work, "checkout", "-q", "-B", "main")
        git(work, "add", "--all")
        git(work, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-q", "-m", "Begin")
        git(work, "push", "-q", "origin", "main")

    @property
    def issues(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._issues.read_text())
        return found

    @contextmanager
    def without_issues(self) -> Iterator[None]:
        """GitHub's issues are down for a while."""
        down = self._issues.with_suffix(".down")
        down.touch()
        yield
        down.unlink()

    @property
    def head(self) -> str:
        return git(self.bare, "rev-parse", "main").strip()

    @property
    def tracked(self) -> list[str]:
        """The paths of the files that are committed."""
        return git(self.bare, "ls-tree", "-r", "--name-only", "main").splitlines()

    def file(self, path: str) -> str:
        """A file as it is committed."""
        return git(self.bare, "show", f"main:{path}")

    def pull_request(self, head: str, commit: str) -> int:
        """Open a pull request of ``OWNER:BRANCH``, or move it to another commit; returns its number."""
        pulls = json.loads(self._pulls.read_text())
        others = [one for one in pulls if one["label"] != head]
        number = next((one["number"] for one in pulls if one["label"] == head), len(self.issues) + 1)
        if len(others) == len(pulls):
            pull: dict[str, Any] = {"number": number, "title": head, "body": "", "state": "open", "comments": []}
            self._issues.write_text(json.dumps([*self.issues, pull]))
        self._pulls.write_text(json.dumps([*others, {"number": number, "label": head, "head": {"sha": commit}}]))
        return int(number)

    def run(
        self,
        event: str = "schedule",
        branch: str = "main",
        *,
        workflow: str = "",
        payload: Mapping[str, Any] | None = None,
        **inputs: str,
    ) -> Run:
        """Run the workflow, or another one.

        Args:
            payload: Of the event.
        """
        self.runs += 1
        tree = yaml.safe_load(git(self.bare, "show", f"main:{workflow or self.workflow}"))
        about = {"repository": {"default_branch": "main"}} if event != "schedule" else {}
        contexts: dict[str, Any] = {
            "github": {
                "event_name": event,
                "ref": f"refs/heads/{branch}",
                "ref_name": branch,
                "run_id": str(self.runs),
                "token": "issues-and-contents",
                "sha": git(self.bare, "rev-parse", "main").strip(),
                "event": {**about, **(payload or {})},
            },
            "inputs": inputs,
            "runner": {"os": "Linux", "environment": "self-hosted"},
        }
        return Run(self._jobs(tree, contexts))

    def _jobs(self, tree: dict[Any, Any], contexts: dict[str, Any]) -> dict[str, Job]:
        done: dict[str, Job] = {}
        for name, job in tree["jobs"].items():
            needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            known = contexts | {"needs": {need: vars(done[need]) for need in needs}}
            if not condition(job.get("if"), known, all(done[need].result == "success" for need in needs)):
                done[name] = Job(result="skipped")
                continue
            if "uses" in job:
                called = self._called(name, job, known)
                done |= called
                done[name] = _together(list(called.values()))
                continue
            matrix = value(job["strategy"]["matrix"], known)["include"] if "strategy" in job else [{}]
            assert 0 < len(matrix) <= 256
            parts = [
                self._job(f"{name}-{number}", job, known | {"matrix": entry}) for number, entry in enumerate(matrix)
            ]
            done[name] = _together(parts)
        return done

    def _called(self, name: str, job: dict[str, Any], contexts: dict[str, Any]) -> dict[str, Job]:
        """The jobs of a workflow of another repository, which has no more permissions than its caller gives."""
        place, _, reference = job["uses"].partition("@")
        owner, repository, path = place.split("/", 2)
        tree = yaml.safe_load(git(self.others[f"{owner}/{repository}"], "show", f"{reference}:{path}"))
        inputs, given = tree[True]["workflow_call"].get("inputs", {}), job.get("with", {})
        assert given.keys() <= inputs.keys(), "GitHub refuses an input that is not declared"
        assert all(key in given for key, one in inputs.items() if one.get("required")), "GitHub demands it"
        for one in tree["jobs"].values():
            for key, level in one["permissions"].items():
                assert job.get("permissions", {}).get(key) in (level, "write"), "GitHub refuses to start it"
        values = {
            key: filled(str(given[key]), contexts) if key in given else one.get("default")
            for key, one in inputs.items()
        }
        jobs = self._jobs(tree, contexts | {"inputs": values})
        return {f"{name} / {key}": one for key, one in jobs.items()}

    def _job(self, name: str, job: dict[str, Any], contexts: dict[str, Any]) -> Job:
        home = self.folder / "runs" / str(self.runs) / name
        workspace = home / "work"
        workspace.mkdir(parents=True)
        made = Job()
        steps: dict[str, Any] = {}
        for number, step in enumerate(job["steps"]):
            known = contexts | {"steps": steps}
            if not condition(step.get("if"), known, made.result == "success"):
                continue
            files = {key: home / f"{number}-{key}" for key in ("output", "summary", "env")}
            for file in files.values():
                file.touch()
            if "uses" in step:
                taken = {key: filled(str(text), known) for key, text in step.get("with", {}).items()}
                ok = self._action(step["uses"].partition("@")[0], taken, workspace, home)
            elif step.get("name") == "Install the engine":
                ok = True  # the interpreter that runs the tests has it
            else:
                write = "write" in job["permissions"].values()
                environ = self._environ(home, files, write) | {
                    key: filled(str(text), known) for key, text in step.get("env", {}).items()
                }
                ended = subprocess.run(
                    ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", filled(step["run"], {})],
                    cwd=workspace, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                )  # fmt: skip
                made.log += f"$ {step['run']}\n{ended.stdout}"
                ok = ended.returncode == 0
            made.summary += files["summary"].read_text()
            if "id" in step:
                steps[step["id"]] = {"outputs": outputs(files["output"].read_text())}
            if not ok and not truth(step.get("continue-on-error")):
                made.result = "failure"
        for key, text in job.get("outputs", {}).items():
            made.outputs[key] = filled(text, contexts | {"steps": steps})
        return made

    def _environ(self, home: Path, files: dict[str, Path], write: bool) -> dict[str, str]:
        kept = {
            key: text for key, text in os.environ.items() if not key.startswith(("COMPATMATRIX", "XDG", "UV_CACHE"))
        }
        kept |= {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "an/example", "GITHUB_RUN_ID": str(self.runs)}
        kept |= {"GITHUB_SERVER_URL": "https://example.org", "HOME": str(home)}
        kept |= {"GITHUB_OUTPUT": str(files["output"]), "GITHUB_STEP_SUMMARY": str(files["summary"])}
        kept |= {"GITHUB_ENV": str(files["env"])}
        kept["PATH"] = os.pathsep.join(
            [str(self.folder / "tools"), str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        # Where a job may not write, neither can whatever it runs.
        return kept if write else kept | {"GIT_CONFIG_COUNT": "1"} | _no_push(self.bare)

    def _action(self, action: str, taken: dict[str, str], workspace: Path, home: Path) -> bool:
        artifacts = self.folder / "runs" / taken.get("run-id", str(self.runs)) / "artifacts"
        path = Path(taken["path"].replace("~", str(home))) if "path" in taken else Path()
        match action:
            case "actions/checkout":
                assert taken.pop("persist-credentials") == "False"
                bare, depth = self.others.get(taken.get("repository", ""), self.bare), taken.get("fetch-depth", "1")
                whole = ["--depth=1"] if depth == "1" else []
                git(self.folder, "clone", "--quiet", f"file://{bare}", str(workspace / path), *whole)
                if "ref" in taken:  # the branches are the remote's alone
                    git(workspace / path, "fetch", "--quiet", *whole, "origin", taken["ref"])
                    git(workspace / path, "checkout", "--quiet", "--detach", "FETCH_HEAD")
                    git(workspace / path, "branch", "--quiet", "--delete", "--force", "main")
            case "actions/setup-python" | "actions/cache":
                pass  # the tests' Python is there; a cache that was lost must change nothing
            case "actions/upload-artifact" | "actions/upload-pages-artifact":
                target, source = artifacts / taken.get("name", "github-pages"), workspace / path
                if not source.exists():
                    return taken.get("if-no-files-found") != "error"
                copy(source, target)
            case "actions/download-artifact" if "pattern" in taken:
                matching = [one for one in artifacts.glob("*") if fnmatch.fnmatchcase(one.name, taken["pattern"])]
                for one in matching:  # a single one has no folder of its own
                    copy(one, workspace / path / (one.name if len(matching) > 1 else ""))
            case "actions/download-artifact":
                if not (artifacts / taken["name"]).exists():
                    return False
                copy(artifacts / taken["name"], workspace / path)
            case "actions/deploy-pages":
                shutil.rmtree(self.page, ignore_errors=True)
                copy(artifacts / "github-pages", self.page)
            case _:
                raise AssertionError(f"nothing stands in for {action}")
        return True


def _together(parts: list[Job]) -> Job:
    return Job(
        result="failure" if any(part.result == "failure" for part in parts) else "success",
        outputs=parts[0].outputs,
        log="\n".join(part.log for part in parts),
        summary="\n".join(part.summary for part in parts),
    )


def copy(source: Path, target: Path) -> None:
    """A file into a folder, or a folder's content, without hidden files: as artifacts are."""
    target.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copy(source, target)
    else:
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))


def outputs(text: str) -> dict[str, str]:
    """What a step wrote to `GITHUB_OUTPUT`, in the form with a delimiter; anything else is a defect."""
    found = re.findall(r"^([\w-]+)<<(\S+)\n(.*?)\n\2$", text, re.MULTILINE | re.DOTALL)
    assert text.count("<<") == len(found), text
    return {name: value for name, _, value in found}


def _no_push(bare: Path) -> dict[str, str]:
    return {"GIT_CONFIG_KEY_0": "url.file:///nowhere.pushInsteadOf", "GIT_CONFIG_VALUE_0": f"file://{bare}"}


def git(folder: Path, *arguments: str) -> str:
    """Run git, with nobody's configuration."""
    environ = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=environ, check=True, capture_output=True, text=True
    ).stdout
