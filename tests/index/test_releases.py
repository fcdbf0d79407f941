"""The lists of releases: read over HTTP, kept, and never shorter for a network that is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from compatmatrix.config.tables import Index
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.index import releases as room
from compatmatrix.index.releases import FRESH_SECONDS, File, Projects, fetch, releases
from packages import world
from packages.index import Fault, LocalIndex
from packages.wheels import FakeRelease

NOON = 1_750_000_000.0
Reader = Callable[..., Projects]


class Fetcher:
    """Reads lists with a cache of its own, at times that the test sets, and writes down what it is told."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.said = cache, list[str]()

    def __call__(self, index: LocalIndex, *names: str, at: float = NOON, extra: tuple[str, ...] = ()) -> Projects:
        self.said.clear()
        where = Index(url=index.url, extra=extra)
        return fetch(where, names or ("subject",), self.cache, self.said.append, lambda: at)


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetcher:
    # How often it is tried again, with growing pauses, is a test of its own.
    monkeypatch.setattr(room, "ATTEMPTS", 0)
    return Fetcher(tmp_path / "cache")


LATER = NOON + FRESH_SECONDS + 1


def test_a_release_is_read_with_all_that_the_plan_needs(index: LocalIndex, read: Fetcher) -> None:
    index.add(*world.SUBJECT.values(), world.MISFITS["foreign-platform"])
    found = {release.version: release for release in releases(read(index)["subject"])}
    assert [*found][:3] == ["0.1.0", "0.2.0", "0.2.1"]
    assert found["0.2.0"].released == "2024-03-05T12:00:00Z"
    assert (found["0.2.1"].yanked, found["0.2.0"].yanked) == (True, False)
    assert found["0.6.0"].requires_python == ">=3.12"
    assert [version for version, release in found.items() if release.prerelease] == ["0.4.0rc1", "0.7.0rc1"]
    assert found["0.8.5"].wheels == (
        "subject-0.8.5-cp311-cp311-win_arm64.whl",
        "subject-0.8.5-cp312-cp312-win_arm64.whl",
    )


def test_a_list_is_not_read_again_within_the_hour_and_then_only_asked_about(index: LocalIndex, read: Fetcher) -> None:
    index.add(*world.SUBJECT.values())
    first = read(index)
    assert read(index, at=NOON + 60) == first
    assert [request.status for request in index.requests] == [200]
    assert read(index, at=LATER) == first
    assert [request.status for request in index.requests] == [200, 304]
    assert read(index, at=LATER + 60) == first
    assert len(index.requests) == 2, "an unchanged list counts as new"


def test_a_new_release_is_seen_after_the_hour(index: LocalIndex, read: Fetcher) -> None:
    index.add(world.SUBJECT["raises"])
    read(index)
    index.add(world.SUBJECT["works"])
    assert [release.version for release in releases(read(index, at=LATER)["subject"])] == ["0.2.0", "0.5.0"]


def test_a_clock_set_back_asks_again(index: LocalIndex, read: Fetcher) -> None:
    index.add(world.SUBJECT["raises"])
    read(index)
    read(index, at=NOON - 3600)
    assert len(index.requests) == 2


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.ERROR, Fault.TRUNCATED, Fault.CUT])
def test_a_network_that_is_lost_gives_the_older_list_and_says_how_old(
    index: LocalIndex, read: Fetcher, fault: Fault
) -> None:
    index.add(*world.SUBJECT.values())
    whole = read(index)
    # The index has something new, so that it answers in full and the answer can be spoiled.
    index.add(world.MISFITS["unresolvable"])
    index.fault(fault)
    assert read(index, at=NOON + 9000) == whole
    (said,) = read.said
    assert said.startswith("using the list of subject releases that was read 2.5 hours ago: the index")


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.ERROR, Fault.TRUNCATED, Fault.CUT])
def test_without_network_and_without_a_list_there_is_trouble(index: LocalIndex, read: Fetcher, fault: Fault) -> None:
    index.add(*world.SUBJECT.values())
    index.fault(fault)
    with pytest.raises(InfrastructureError, match="subject"):
        read(index)
    index.heal()
    assert len(releases(read(index)["subject"])) == len(world.SUBJECT), "what failed is not kept"


def test_an_error_that_passes_is_tried_again(index: LocalIndex, tmp_path: Path) -> None:
    index.add(*world.SUBJECT.values())
    index.fault(Fault.ERROR, times=1)
    assert Fetcher(tmp_path)(index)["subject"]
    assert [request.status for request in index.requests] == [500, 200]


def test_a_name_that_no_index_has_is_trouble_and_not_an_empty_matrix(index: LocalIndex, read: Fetcher) -> None:
    with pytest.raises(InfrastructureError, match="no index lists any file of 'subject'"):
        read(index)


def test_defect_a_project_that_was_not_found_once_was_not_asked_for_again(index: LocalIndex, read: Fetcher) -> None:
    """The empty answer was kept for an hour, and in the place of the full list."""
    index.add(world.SUBJECT["raises"])
    full = read(index)
    index.remove("subject", "0.2.0")
    assert read(index, at=LATER) == full
    assert "using the list of subject" in read.said[0]
    index.add(world.SUBJECT["works"])
    assert [release.version for release in releases(read(index, at=LATER + 60)["subject"])] == ["0.5.0"]


def test_an_extra_index_adds_its_releases(index: LocalIndex, read: Fetcher) -> None:
    index.add(world.SUBJECT["raises"], *world.HELPERS.values())
    with LocalIndex() as extra:
        extra.add(world.SUBJECT["works"])
        found = read(index, "subject", "helper", extra=(extra.url,))
    assert [release.version for release in releases(found["subject"])] == ["0.2.0", "0.5.0"]
    assert len(found["helper"]) == 2, "an extra index need not have every project"


def test_an_index_without_upload_times_has_no_past(read: Fetcher) -> None:
    with LocalIndex(html_only=True) as index:
        index.add(world.SUBJECT["raises"])
        files = read(index)["subject"]
    assert [(release.version, release.released) for release in releases(files)] == [("0.2.0", None)]
    assert releases(files, datetime(2025, 1, 1, tzinfo=UTC)) == ()


def test_the_world_of_an_instant_holds_what_was_uploaded_up_to_it(index: LocalIndex, read: Fetcher) -> None:
    index.add(*world.SUBJECT.values())
    files = read(index)["subject"]
    at = datetime(2024, 3, 20, 12, tzinfo=UTC)
    assert [release.version for release in releases(files, at)] == ["0.1.0", "0.2.0", "0.2.1"]
    assert [release.version for release in releases(files, at.replace(hour=11))] == ["0.1.0", "0.2.0"]


def file(name: str, day: str = "2025-01-01", **more: object) -> File:
    return File(name=name, version="1.0", uploaded=f"{day}T00:00:00Z", **more)  # type: ignore[arg-type]


def test_a_release_dates_from_its_first_file_and_is_yanked_only_whole() -> None:
    wheel, sdist = file("x-1.0-py3-none-any.whl", "2025-02-01", yanked=True), file("x-1.0.tar.gz", "2025-01-01")
    (release,) = releases([wheel, sdist])
    assert release.released == "2025-01-01T00:00:00Z"
    assert release.wheels == (wheel.name,)
    assert not release.yanked
    assert releases([wheel])[0].yanked


def test_versions_are_in_the_order_of_pep_440() -> None:
    files = [File(name=f"x-{version}.tar.gz", version=version, uploaded=None) for version in ("0.10", "0.9", "0.10rc1")]
    assert [release.version for release in releases(files)] == ["0.9", "0.10rc1", "0.10"]


def test_a_file_that_is_neither_wheel_nor_sdist_is_no_release(index: LocalIndex, read: Fetcher) -> None:
    index.add(world.SUBJECT["raises"], FakeRelease("subject", "not-a-version", world.day("2025-01-01")))
    assert [release.version for release in releases(read(index)["subject"])] == ["0.2.0"]


def test_a_cache_that_cannot_be_written_is_said_and_does_no_harm(index: LocalIndex, read: Fetcher) -> None:
    index.add(world.SUBJECT["raises"])
    read.cache.write_text("a file is in the way")
    assert read(index)["subject"]
    assert read.said[0].startswith("the list of subject releases could not be kept in cache/")


def test_a_damaged_cache_is_read_again(index: LocalIndex, read: Fetcher) -> None:
    index.add(world.SUBJECT["raises"])
    whole = read(index)
    for kept in read.cache.iterdir():
        kept.write_text('{"etag": ')
    assert read(index) == whole


def test_defect_half_a_surrogate_in_what_an_index_says_ended_the_run() -> None:
    """It could be neither kept nor recorded."""
    from pypi_simple import DistributionPackage, ProjectPage

    def file(name: str, requires: str) -> DistributionPackage:
        told = {"filename": name, "url": "https://e/x", "hashes": {}, "requires-python": requires}
        return DistributionPackage.from_json_data(told)

    files = [file("subject-1.0-py3-none-any.whl", ">=3\ud800\x1b[2J"), file("subject-1.1-py3-none-\ud800.whl", ">=3")]
    page = ProjectPage("subject", files, "1.0", None)
    (kept,) = room._files(page)
    assert (kept.name, kept.requires_python) == ("subject-1.0-py3-none-any.whl", ">=3")
    assert msgspec.json.encode(kept)
