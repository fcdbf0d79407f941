"""The plan: which cells are wanted, with which companions, on which Python; nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from compatmatrix.config.tables import Config, Python
from compatmatrix.core.encoding import format_instant
from compatmatrix.core.errors import UserError
from compatmatrix.core.model import CellRequest
from compatmatrix.index.releases import File, Projects
from compatmatrix.planning.requests import Planner, subject_releases
from compatmatrix.planning.selection import Selection
from factories import HELD, PLATFORM, STANDALONE, probe
from fixtures import matrix, write
from packages import world
from packages.wheels import FakeRelease, artifacts

EVERY = Selection()
PROBES = (HELD, STANDALONE, probe("arithmetic"))


def listed(*tables: Mapping[str, FakeRelease]) -> Projects:
    """The files of fake releases as the index would list them, without an index."""
    projects: dict[str, list[File]] = {}
    for table in tables:
        for made in table.values():
            for file in artifacts(made):
                projects.setdefault(file.project, []).append(
                    File(
                        name=file.filename,
                        version=file.version,
                        uploaded=format_instant(file.uploaded),
                        requires_python=file.requires_python,
                        yanked=bool(file.yanked),
                    )
                )
    return {name: tuple(files) for name, files in projects.items()}


WORLD = listed(world.SUBJECT, world.COMPANIONS, world.HELPERS)
MISFITS = listed(world.SUBJECT, world.COMPANIONS, world.HELPERS, world.MISFITS)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Lists 3.11 and 3.12, whatever there is here: a plan asks no machine."""
    from compatmatrix.config.matrix_file import load

    write(tmp_path, {"matrix.toml": matrix(pythons=("3.11", "3.12"))})
    return load(tmp_path / "matrix.toml", environ={})


def planner(config: Config, projects: Projects = WORLD, as_of: datetime | None = None) -> Planner:
    return Planner(config=config, projects=projects, probes=PROBES, platform=PLATFORM, as_of=as_of)


def requests(config: Config, selection: Selection = EVERY, projects: Projects = WORLD) -> tuple[CellRequest, ...]:
    return planner(config, projects, selection.as_of).requests(selection)


def one(config: Config, version: str, pairing: str, projects: Projects = WORLD, **more: object) -> CellRequest:
    """The one request for a release and pairing."""
    chosen = Selection(only=(f"subject=={version}",), pairings=(pairing,), **more)  # type: ignore[arg-type]
    (found,) = requests(config, chosen, projects)
    return found


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_rows_are_all_releases_and_a_candidate_only_where_it_is_the_newest_of_all(config: Config) -> None:
    versions = [release.version for release in subject_releases(config, WORLD)]
    assert versions == ["0.1.0", "0.2.0", "0.2.1", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0rc1"]
    assert [release.version for release in subject_releases(config, WORLD) if release.yanked] == ["0.2.1"]


def test_a_candidate_was_a_row_on_the_days_before_its_release(config: Config) -> None:
    versions = [release.version for release in subject_releases(config, WORLD, day("2024-08-25"))]
    assert versions == ["0.1.0", "0.2.0", "0.2.1", "0.3.0", "0.4.0rc1"]


def test_a_candidate_newer_than_a_yanked_release_alone_is_a_row(config: Config) -> None:
    """What is yanked is no stable release that a user gets."""
    files = {"subject": tuple(file for file in WORLD["subject"] if file.version in ("0.2.1", "0.1.0"))}
    candidate = File(name="subject-0.2.0rc1-py3-none-any.whl", version="0.2.0rc1", uploaded="2024-02-01T00:00:00Z")
    rows = subject_releases(config, {"subject": (*files["subject"], candidate)})
    assert "0.2.0rc1" in [release.version for release in rows]


def test_the_specifier_says_which_releases_are_rows(config: Config) -> None:
    subject = msgspec.structs.replace(config.subject, releases=">=0.3,!=0.4.0")
    narrowed = msgspec.structs.replace(config, subject=subject)
    assert [row.version for row in subject_releases(narrowed, WORLD)] == ["0.3.0", "0.5.0", "0.6.0", "0.7.0rc1"]


def test_each_release_is_wanted_once_a_default_pairing_newest_first(config: Config) -> None:
    found = [(request.subject, request.pairing) for request in requests(config)]
    assert found[:2] == [("0.7.0rc1", "release-day"), ("0.7.0rc1", "newest")]
    assert len(found) == len(set(found)) == 16


def test_release_day_is_bound_by_the_end_of_that_day_and_newest_by_nothing(config: Config) -> None:
    assert one(config, "0.3.0", "release-day").bound == "2024-07-02T00:00:00Z"
    assert one(config, "0.3.0", "newest").bound is None


def test_as_of_bounds_both_and_hides_what_came_later(config: Config) -> None:
    as_of = day("2024-07-10")
    assert one(config, "0.3.0", "newest", as_of=as_of).bound == "2024-07-10T00:00:00Z"
    assert one(config, "0.3.0", "release-day", as_of=as_of).bound == "2024-07-02T00:00:00Z"
    assert one(config, "0.3.0", "release-day", as_of=day("2024-07-01").replace(hour=15)).bound == "2024-07-01T15:00:00Z"
    assert {request.subject for request in requests(config, Selection(as_of=as_of))} == {
        "0.1.0",
        "0.2.0",
        "0.2.1",
        "0.3.0",
    }


def test_a_request_names_the_release_its_companions_and_the_pinned_tools(config: Config) -> None:
    found = one(config, "0.3.0", "newest")
    assert found.requirements[:3] == ("subject==0.3.0", "companion[cpu]", "helper")
    assert f"pytest=={pytest.__version__}" in found.requirements
    assert found.probes == {one.id: one.digest for one in PROBES}


def test_oldest_lowers_the_companion_that_is_marked_and_leaves_the_rest_to_it(config: Config) -> None:
    found = one(config, "0.3.0", "oldest")
    assert found.lowest == ("companion",)
    assert [line for line in found.requirements if "helper" in line] == []


def test_a_grid_is_every_stable_release_of_the_companion_that_the_specifier_admits(config: Config) -> None:
    found = requests(config, Selection(only=("subject==0.3.0",), pairings=("grid",)))
    assert [request.companions["companion"] for request in found] == ["3.0", "2.0", "1.2", "1.1", "1.0"]
    assert found[0].requirements[1] == "companion[cpu]==3.0"
    assert set(found[0].probes) == {"held", "standalone"}, "the grid asks its own probes only"
    narrowed = requests(config, Selection(only=("subject==0.3.0", "companion<2"), pairings=("grid",)))
    assert [request.companions["companion"] for request in narrowed] == ["1.2", "1.1", "1.0"]


def test_the_first_python_that_release_and_companions_admit_comes_first(config: Config) -> None:
    assert one(config, "0.5.0", "newest").pythons == ("3.11", "3.12")
    assert one(config, "0.6.0", "newest").pythons == ("3.12",), "it requires 3.12"
    turned = msgspec.structs.replace(config, python=msgspec.structs.replace(config.python, versions=("3.12", "3.11")))
    assert one(turned, "0.5.0", "newest").pythons == ("3.12", "3.11"), "the order is the configuration's"


def only_312(projects: Projects) -> Projects:
    """The world where the newest library has a wheel for Python 3.12 alone."""
    files = [
        msgspec.structs.replace(file, name="companionlib-3.0-cp312-none-any.whl") if file.version == "3.0" else file
        for file in projects["companionlib"]
    ]
    return {**projects, "companionlib": tuple(files)}


def test_wheel_tags_of_what_follows_a_companion_decide_too(config: Config) -> None:
    found = one(config, "0.5.0", "newest", only_312(WORLD))
    assert found.pythons == ("3.12", "3.11"), "3.11 stays a candidate: there the resolver may go back to an older one"
    assert one(config, "0.5.0", "release-day", only_312(WORLD)).pythons == ("3.11", "3.12")


def test_a_release_for_no_listed_python_is_refused_and_says_what_it_needs(config: Config) -> None:
    found = one(config, "0.8.1", "newest", MISFITS)
    assert found.pythons == ()
    assert found.refused == "subject 0.8.1 needs Python >=3.99; matrix.toml lists Python 3.11, 3.12"


def test_a_release_for_other_platforms_is_refused_with_its_wheels(config: Config) -> None:
    assert one(config, "0.8.5", "newest", MISFITS).refused == (
        "subject 0.8.5 needs Python >=3.8 (wheels: cp311, cp312); matrix.toml lists Python 3.11, 3.12"
    )
    assert "(wheels: none)" in (one(config, "0.8.3", "newest", MISFITS).refused or "")


def test_a_grid_pair_that_shares_no_python_is_refused_with_the_one_that_is_in_the_way(config: Config) -> None:
    found = requests(config, Selection(only=("subject==0.6.0", "companion==3.0"), pairings=("grid",)), only_311(WORLD))
    assert found[0].refused == (
        "subject 0.6.0 needs Python >=3.12; companionlib 3.0 needs Python >=3.8 (wheels: cp311)"
    )


def only_311(projects: Projects) -> Projects:
    return {
        **projects,
        "companionlib": tuple(
            msgspec.structs.replace(file, name=file.name.replace("py3", "cp311")) for file in projects["companionlib"]
        ),
    }


def test_the_pre_release_companion_is_not_what_newest_aims_at(config: Config) -> None:
    """companion 3.1rc1 for a Python that is not listed changes nothing."""
    files = [
        msgspec.structs.replace(file, requires_python=">=3.14") if file.version == "3.1rc1" else file
        for file in WORLD["companion"]
    ]
    assert one(config, "0.5.0", "newest", {**WORLD, "companion": tuple(files)}).pythons == ("3.11", "3.12")


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(only=("other==1",)), "'other' is neither the subject nor a companion; there are subject, companion"),
        (Selection(pairings=("newset",)), "--pairing newset: there is no such pairing; did you mean newest"),
    ],
)
def test_a_selection_that_means_nothing_is_refused(config: Config, selection: Selection, said: str) -> None:
    with pytest.raises(UserError, match=said):
        requests(config, selection)


def test_a_grid_that_is_not_configured_is_refused(config: Config) -> None:
    bare = msgspec.structs.replace(config, pairings=msgspec.structs.replace(config.pairings, grid=None))
    with pytest.raises(UserError, match=r"no \[pairings.grid\]"):
        requests(bare, Selection(pairings=("grid",)))


def test_the_questions_identity_is_that_of_what_is_resolved(config: Config) -> None:
    found = one(config, "0.5.0", "newest")
    assert msgspec.structs.replace(found, probes={}).request_id() == found.request_id()
    assert one(config, "0.5.0", "release-day").request_id() != found.request_id()


def without_days(projects: Projects, *names: str) -> Projects:
    return {
        name: tuple(msgspec.structs.replace(file, uploaded=None) if name in names else file for file in files)
        for name, files in projects.items()
    }


@pytest.mark.parametrize("dateless", ["subject", "companion"])
def test_defect_a_release_whose_day_is_not_known_was_asked_about_its_day(config: Config, dateless: str) -> None:
    """It was taken for one of 1970: nothing was there on that day, and the release had to answer for it."""
    projects = without_days(WORLD, dateless)
    found = requests(config, projects=projects)
    assert {request.pairing for request in found} == {"newest"}
    assert {request.subject for request in found} == {request.subject for request in requests(config)}
    ((what, why),) = planner(config, projects).unrequestable(EVERY)
    count = len(subject_releases(config, projects))
    assert what == f"subject release-day (0.1.0 to 0.7.0rc1, {count} releases)"
    assert f"the index gives no upload times of {dateless}," in why
    assert planner(config, projects).unrequestable(Selection(pairings=("newest",))) == ()
    assert planner(config, WORLD).unrequestable(EVERY) == ()


def test_only_the_releases_without_a_day_are_left_out(config: Config) -> None:
    files = tuple(
        msgspec.structs.replace(file, uploaded=None) if file.version == "0.2.0" else file for file in WORLD["subject"]
    )
    projects = {**WORLD, "subject": files}
    assert [what for what, _ in planner(config, projects).unrequestable(EVERY)] == ["subject release-day (0.2.0)"]
    asked = [request.subject for request in requests(config, projects=projects) if request.pairing == "release-day"]
    assert asked == [
        request.subject
        for request in requests(config)
        if request.pairing == "release-day" and request.subject != "0.2.0"
    ]


WORKING = {"0.5.0": "2.0", "0.6.0": "3.0"}
"""The newest companion on record to work; beside the newest of all, 3.0, the import of 0.5.0 fails."""


def asking_pythons(config: Config, projects: Projects = WORLD, working: Mapping[str, str] = WORKING) -> Planner:
    """A planner whose configuration has Pythons of its own for the pairing `python`."""
    table = msgspec.structs.replace(config.pairings, python=Python(versions=("3.10", "3.11", "3.12", "3.99")))
    made = planner(msgspec.structs.replace(config, pairings=table), projects)
    return msgspec.structs.replace(made, working=working)


def test_the_python_pairing_asks_each_python_of_its_list_beside_the_newest_companion_that_works(config: Config) -> None:
    found = asking_pythons(config).requests(Selection(only=("subject==0.5.0",), pairings=("python",)))
    assert [request.pythons for request in found] == [("3.10",), ("3.11",), ("3.12",), ("3.99",)]
    assert {request.requirements[1] for request in found} == {"companion[cpu]==2.0"}
    assert set(found[0].probes) == {"held", "standalone"}, "the map's questions"
    assert found[0].title == "0.5.0 python 3.10 companion 2.0"
    assert len({request.request_id() for request in found}) == 4


def test_a_python_that_a_release_or_its_companion_does_not_admit_is_refused_with_why(config: Config) -> None:
    selection = Selection(only=("subject==0.6.0",), pairings=("python",))
    refused = {one.python: one.refused for one in asking_pythons(config).requests(selection)}
    needs = "subject 0.6.0 needs Python >=3.12"
    assert refused == {"3.10": needs, "3.11": needs, "3.12": None, "3.99": None}
    refused = {one.python: one.refused for one in asking_pythons(config, only_311(WORLD)).requests(selection)}
    assert refused["3.12"] == "companionlib 3.0 needs Python >=3.8 (wheels: cp311)", "the release itself admits it"


def test_a_release_beside_which_no_companion_is_known_to_work_is_listed(config: Config) -> None:
    asking, selection = asking_pythons(config), Selection(only=("subject>=0.4",), pairings=("python",))
    assert {request.subject for request in asking.requests(selection)} == {"0.5.0", "0.6.0"}
    ((what, why),) = asking.unrequestable(selection)
    assert what == "subject python (0.4.0 to 0.7.0rc1, 2 releases)"
    assert why == "no companion is on record beside which it works: run another pairing first"


def test_the_pythons_of_the_python_pairing_change_no_other_request(config: Config) -> None:
    others = Selection(pairings=("release-day", "newest", "oldest", "grid"))
    assert asking_pythons(config).requests(others) == requests(config, others)


def test_a_python_pairing_that_is_not_configured_is_refused(config: Config) -> None:
    with pytest.raises(UserError, match=r"no \[pairings.python\]"):
        requests(config, Selection(pairings=("python",)))
