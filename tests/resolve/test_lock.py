"""Locks: what a pairing means, complete and hashed, from wheels alone; and what is no answer is no lock."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Cell, CellRequest
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.environment.workspace import Workspace
from compatmatrix.index import releases
from compatmatrix.index.releases import FRESH_SECONDS
from compatmatrix.resolve import lock, uv
from compatmatrix.resolve.lock import UndatedError, Unresolvable, parse_pylock, resolve
from fixtures import THIS, TOOLS, Project
from packages import world
from packages.index import Fault, LocalIndex
from packages.wheels import artifacts

DAY = "2024-12-02T00:00:00Z"
"""The end of the day on which subject 0.5.0 came out, beside companion 2.0."""


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """How often the resolver was asked, and for which Python."""
    found: list[str] = []
    really = uv.run

    def run(arguments: list[str], *, stdin: str | None = None, connections: int) -> str:
        found.append(arguments[arguments.index("--python-version") + 1].removesuffix(".99"))
        return really(arguments, stdin=stdin, connections=connections)

    monkeypatch.setattr(uv, "run", run)
    yield found


def cell(project: Project, wanted: CellRequest, locks: Path) -> Cell:
    found = resolve(project.config, wanted, locks)
    assert isinstance(found, Cell), found
    return found


def test_newest_is_the_newest_that_is_neither_yanked_nor_a_candidate(project: Project, locks: Path) -> None:
    found = cell(project, project.request("0.5.0"), locks)
    assert found.versions == {"subject": "0.5.0", "companion": "3.0", "companionlib": "3.0", "helper": "0.2"}
    assert found.named == ("subject", "companion", "companionlib", "helper"), "in the order of matrix.toml"
    assert found.python == THIS


def test_release_day_is_what_there_was_on_that_day(project: Project, locks: Path) -> None:
    found = cell(project, project.request("0.5.0", bound=DAY), locks)
    assert found.versions == {"subject": "0.5.0", "companion": "2.0", "companionlib": "2.0", "helper": "0.2"}


def test_the_tools_are_not_bound_by_the_day(tmp_path: Path, index: LocalIndex, locks: Path) -> None:
    """They come out later than the release, and are the same in every cell."""
    world.fill(index)
    from packages import installed

    for name in TOOLS:
        index._publish([replace(installed.rebuild(name), uploaded=world.day("2030-01-01"))])
    project = Project.make(tmp_path, index.url)
    found = cell(project, project.request("0.5.0", bound=DAY), locks)
    assert f"pytest=={pytest.__version__}" in [f"{pin.name}=={pin.version}" for pin in found.lock]
    assert found.versions["companion"] == "2.0"


def test_defect_what_the_tools_require_was_bound_by_the_day(tmp_path: Path, index: LocalIndex, locks: Path) -> None:
    """A release before the tools' day was unresolvable for packages that are in matrix.toml no more than in the release."""
    world.fill(index)
    from packages import installed

    for name in TOOLS:
        index._publish([replace(installed.rebuild(name), uploaded=world.day("2030-01-01"))])
    project = Project.make(tmp_path, index.url)
    for name in ("packaging", "pygments", "pluggy"):
        project.set(f'{name} = "{importlib.metadata.version(name)}"\n', "")
    found = cell(project, project.request("0.5.0", bound=DAY), locks)
    assert {"packaging", "pygments", "pluggy"} <= {pin.name for pin in found.lock}
    assert found.versions["companion"] == "2.0"


def test_defect_the_tools_pins_were_blamed_on_the_release(tmp_path: Path, index: LocalIndex, locks: Path) -> None:
    world.fill(index)
    made = world.subject("works", "9.9", "2025-08-02")
    index.add(replace(made, requires=(*made.requires, "pluggy<1")))
    index.add(replace(world.helper("0.9", "2019-01-02", "Old."), name="pluggy", requires=()))
    project = Project.make(tmp_path, index.url)
    with pytest.raises(InfrastructureError, match=r"what runs the probes does not fit beside subject 9.9 newest"):
        resolve(project.config, project.request("9.9"), locks)


def test_a_yanked_release_that_is_asked_for_by_name_is_to_be_had(project: Project, locks: Path) -> None:
    assert cell(project, project.request("0.2.1", bound="2024-03-21T00:00:00Z"), locks).versions["subject"] == "0.2.1"


def test_the_lowest_of_a_companion_is_what_the_release_admits(project: Project, locks: Path) -> None:
    wanted = msgspec.structs.replace(
        project.request("0.5.0", "companion[cpu]"), pairing="oldest", lowest=("companion",)
    )
    assert cell(project, wanted, locks).versions["companion"] == "1.0"


def test_an_explicit_companion_is_taken(project: Project, locks: Path) -> None:
    assert (
        cell(project, project.request("0.5.0", "companion[cpu]==1.1", "helper"), locks).versions["companion"] == "1.1"
    )


def test_a_lock_is_complete_sorted_and_holds_the_hash_of_each_wheel(project: Project, locks: Path) -> None:
    found = cell(project, project.request("0.5.0"), locks)
    assert [pin.name for pin in found.lock] == sorted(pin.name for pin in found.lock)
    assert {"subject", "companion", "companionlib", "helper", *TOOLS} <= {pin.name for pin in found.lock}
    (wheel,) = artifacts(world.SUBJECT["works"])
    subject = next(pin for pin in found.lock if pin.name == "subject")
    assert str(subject) == f"subject==0.5.0 --hash=sha256:{wheel.sha256}"


def test_a_wheel_is_taken_and_no_sdist_is_so_much_as_fetched(tmp_path: Path, index: LocalIndex, locks: Path) -> None:
    world.fill(index)
    index.add(world.MISFITS["wheel-and-sdist"])
    project = Project.make(tmp_path, index.url)
    assert cell(project, project.request("0.8.4"), locks).versions["subject"] == "0.8.4"
    assert not [request for request in index.requests if request.path.endswith(".tar.gz")]


@pytest.mark.parametrize("misfit", ["unresolvable", "sdist-only", "foreign-platform"])
def test_what_nothing_meets_is_unresolvable_with_the_resolvers_reason(
    project: Project, locks: Path, misfit: str
) -> None:
    version = world.MISFITS[misfit].version
    found = resolve(project.config, project.request(version), locks)
    assert isinstance(found, Unresolvable)
    assert found.python == THIS
    assert found.why.startswith("Because ")
    assert f"subject=={version}" in found.why
    assert "hint" not in found.why


def test_defect_a_release_for_a_later_patch_of_its_python_was_called_unresolvable(
    tmp_path: Path, index: LocalIndex, locks: Path
) -> None:
    """The resolver takes X.Y for X.Y.0."""
    world.fill(index)
    index.add(replace(world.SUBJECT["works"], requires_python=f">={THIS}.1"))
    project = Project.make(tmp_path, index.url)
    assert cell(project, project.request("0.5.0"), locks).python == THIS


def test_defect_a_release_that_the_resolver_had_not_heard_of_was_called_unresolvable(
    tmp_path: Path, locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver goes by what another resolution has just read; our list may be younger."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setattr(uv, "SHARED_SECONDS", {"api": 600, "files": 600})
    with LocalIndex() as index:
        world.fill(index, tools=False)
        project = Project.make(tmp_path / "p", index.url)
        assert isinstance(resolve(project.config, project.request("0.5.0", tools=False), locks), Cell)
        index.requests.clear()
        assert isinstance(resolve(project.config, project.request("0.4.0", tools=False), locks), Cell)
        asked = [request.path for request in index.requests]
        assert asked == [next(path for path in asked if path.endswith("0.4.0-py3-none-any.whl.metadata"))], (
            "the rest is known"
        )
        index.add(world.subject("works", "9.0", "2025-08-02"))
        assert isinstance(resolve(project.config, project.request("9.0", tools=False), locks), Cell)
        # Nor of what a release asks for, and nobody here has a name for.
        for version in ("1.0", "2.0"):
            index.add(replace(world.helper(version, "2025-08-02", "Another."), name="other", requires=()))
            made = world.subject("works", f"9.{version}", "2025-08-02")
            index.add(replace(made, requires=(*made.requires, f"other>={version}")))
            assert isinstance(resolve(project.config, project.request(f"9.{version}", tools=False), locks), Cell)


def test_the_second_python_is_tried_where_the_first_has_no_answer(
    tmp_path: Path, index: LocalIndex, locks: Path, asked: list[str]
) -> None:
    """As where the newest companion's library has wheels for it only."""
    world.fill(index)
    major, minor = THIS.split(".")
    index.add(
        replace(world.COMPANIONS["companionlib-3.0"], requires_python=f">={THIS}", tags=(f"cp{major}{minor}-none-any",))
    )
    project = Project.make(tmp_path, index.url)
    wanted = project.request("0.5.0", "companion[cpu]==3.0", "helper")
    found = cell(project, msgspec.structs.replace(wanted, pythons=("3.10", THIS)), locks)
    assert (found.python, asked) == (THIS, ["3.10", THIS])


PAGES, METADATA = "/simple/companion/", "*.metadata"


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        *(
            (fault, path)
            for fault in (Fault.UNREACHABLE, Fault.ERROR, Fault.TRUNCATED, Fault.CUT)
            for path in (PAGES, METADATA)
        ),
        (Fault.MISSING, METADATA),
    ],
)
def test_trouble_is_not_unresolvable_and_is_not_kept(
    tmp_path: Path, index: LocalIndex, locks: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, path: str
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    world.fill(index)
    project = Project.make(tmp_path, index.url)
    index.fault(fault, path)
    with pytest.raises(InfrastructureError):
        resolve(project.config, project.request("0.5.0"), locks)
    index.heal()
    assert cell(project, project.request("0.5.0"), locks).versions["companion"] == "3.0"


@pytest.mark.parametrize("release", ["0.5.0", "77.0"])
def test_defect_an_index_without_what_it_lists_made_a_release_unresolvable(
    tmp_path: Path, index: LocalIndex, locks: Path, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    """Its list has the release, else there were no request; the page that uv gets is another one, or none (404)."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    if release == "77.0":
        world.fill(index)
    project = Project.make(tmp_path, index.url)
    with pytest.raises(InfrastructureError, match="try again"):
        resolve(project.config, project.request(release), locks)
    assert not [*locks.glob("*.json")]


def test_an_index_without_upload_times_is_trouble_for_a_bound_and_not_the_releases_fault(
    tmp_path: Path, locks: Path
) -> None:
    with LocalIndex(html_only=True) as index:
        world.fill(index)
        project = Project.make(tmp_path, index.url)
        assert cell(project, project.request("0.5.0"), locks).versions["companion"] == "3.0"
        with pytest.raises(UndatedError) as caught:
            resolve(project.config, project.request("0.5.0", bound=DAY), locks)
    assert {"subject", "companion"} <= caught.value.packages


def aged(locks: Path, seconds: float) -> None:
    """Makes what is kept older."""
    for kept in locks.glob("*.json"):
        known = msgspec.json.decode(kept.read_bytes(), type=lock._Answer)
        kept.write_bytes(msgspec.json.encode(msgspec.structs.replace(known, resolved=known.resolved - seconds)))


def test_a_bounded_question_has_one_answer_for_good(project: Project, locks: Path, asked: list[str]) -> None:
    first = cell(project, project.request("0.5.0", bound=DAY), locks)
    aged(locks, 1e6)
    assert cell(project, project.request("0.5.0", bound=DAY), locks) == first
    assert len(asked) == 1


def test_a_question_about_now_has_one_answer_for_an_hour(project: Project, locks: Path, asked: list[str]) -> None:
    first = cell(project, project.request("0.5.0"), locks)
    assert cell(project, project.request("0.5.0"), locks) == first
    assert len(asked) == 1
    aged(locks, FRESH_SECONDS + 1)
    assert cell(project, project.request("0.5.0"), locks) == first
    assert len(asked) == 2


def test_a_bound_that_lies_ahead_settles_nothing(project: Project, locks: Path, asked: list[str]) -> None:
    ahead = "2999-01-01T00:00:00Z"
    cell(project, project.request("0.5.0", bound=ahead), locks)
    aged(locks, FRESH_SECONDS + 1)
    cell(project, project.request("0.5.0", bound=ahead), locks)
    assert len(asked) == 2


def test_another_index_is_another_question(tmp_path: Path, project: Project, index: LocalIndex, locks: Path) -> None:
    cell(project, project.request("0.5.0"), locks)
    world.fill(index)
    index.remove("companion", "3.0")
    other = Project.make(tmp_path / "other", index.url)
    assert cell(other, other.request("0.5.0"), locks).versions["companion"] == "2.0"


def test_the_best_version_over_all_indexes_wins(tmp_path: Path, project: Project, index: LocalIndex) -> None:
    index.add(replace(world.HELPERS["helper-0.2"], version="0.3"))
    config = msgspec.structs.replace(
        project.config, index=msgspec.structs.replace(project.config.index, extra=(index.url,))
    )
    found = resolve(config, project.request("0.5.0"), tmp_path / "locks")
    assert isinstance(found, Cell)
    assert (found.versions["helper"], found.versions["companion"]) == ("0.3", "3.0")


def test_a_damaged_or_unwritable_cache_only_costs_time(project: Project, locks: Path) -> None:
    first = cell(project, project.request("0.5.0"), locks)
    for kept in locks.glob("*.json"):
        kept.write_text("{")
    assert cell(project, project.request("0.5.0"), locks) == first
    blocked = locks.parent / "file"
    blocked.write_text("")
    assert cell(project, project.request("0.5.0"), blocked) == first


def test_the_users_settings_for_uv_change_no_lock(
    project: Project, locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cell(project, project.request("0.5.0"), locks)
    for name, value in {
        "UV_EXCLUDE_NEWER": "2024-03-01",
        "UV_RESOLUTION": "lowest",
        "UV_PRERELEASE": "allow",
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple/",
        "VIRTUAL_ENV": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    assert cell(project, project.request("0.5.0"), locks.parent / "other") == first


def test_a_wheel_without_a_hash_is_trouble() -> None:
    wheel = '{url = "https://x/x-1-py3-none-any.whl", hashes = {}}'
    package = f'[[packages]]\nname = "x"\nversion = "1"\nwheels = [{wheel}]\n'
    with pytest.raises(InfrastructureError, match="SHA-256"):
        parse_pylock(f'lock-version = "1.0"\ncreated-by = "uv"\n{package}')


def test_a_bound_package_comes_from_its_index_whatever_others_offer(tmp_path: Path, index: LocalIndex) -> None:
    """Asked for by the matrix, by another package, or as the subject: a higher version elsewhere is none."""
    world.fill(index, tools=False)
    with LocalIndex() as foreign:
        foreign.add(world.helper("9.9", "2025-01-20", "Not ours."), *world.companion("9.0", "2025-01-20", "Not ours."))
        foreign.add(world.subject("works", "9.0.0", "2025-01-20"))
        project = Project.make(tmp_path, index.url)
        project.set("[groups]", f'[index.only]\nhelper = "{index.url}"\nsubject = "{index.url}"\n\n[groups]')
        project.set(f'url = "{index.url}"\n\n[index', f'url = "{index.url}"\nextra = ["{foreign.url}"]\n\n[index')
        for asked in (("companion",), ("companion", "helper")):
            found = {pin.name: pin.version for pin in project.cell("0.5.0", *asked, tools=False).lock}
            assert (found["helper"], found["companion"]) == ("0.2", "9.0"), "what is not bound may come from anywhere"
        listed = releases.fetch(project.config.index, ["subject", "helper"], tmp_path / "index", print)
        assert {release.version for release in releases.releases(listed["helper"])} == {"0.1", "0.2"}
        assert "9.0.0" not in {release.version for release in releases.releases(listed["subject"])}
        foreign.add(world.helper("0.2", "2025-01-20", "The same version, and not ours."))
        cell = project.cell("0.5.0", "companion", tools=False)
        foreign.requests.clear()
        workspace = Workspace(project.config, tmp_path / "environments", Interpreters(tmp_path))
        assert workspace.bring_to(cell).exists()
        assert not [request.path for request in foreign.requests if "helper" in request.path]
        assert [request.path for request in foreign.requests if "companion" in request.path]
        wrong = msgspec.structs.replace(
            cell, lock=tuple(msgspec.structs.replace(pin, sha256=("0" * 64,)) for pin in cell.lock)
        )
        with pytest.raises(InfrastructureError, match="Hash mismatch"):
            Workspace(project.config, tmp_path / "others", Interpreters(tmp_path)).bring_to(wrong)
