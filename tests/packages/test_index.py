"""The local index answers as the standards say, fails as it is told to, and closes without a trace."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from pypi_simple import ACCEPT_JSON_PREFERRED, PyPISimple

from . import world
from .index import Fault, LocalIndex
from .wheels import artifacts, build_wheel

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
SLOW = 0.3


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    with LocalIndex() as opened:
        yield opened


def files_of(index: LocalIndex, name: str) -> dict[str, str]:
    """Reads a project's page: file name -> address."""
    page = requests.get(f"{index.url}{name}/", headers=JSON, timeout=5).json()
    return {file["filename"]: file["url"] for file in page["files"]}


def test_pypi_simple_reads_everything(index: LocalIndex) -> None:
    world.fill(index, tools=False)
    with PyPISimple(index.url, accept=ACCEPT_JSON_PREFERRED) as client:
        page = client.get_project_page("Subject")
        assert client.get_index_page().projects == ["companion", "companionlib", "helper", "subject"]
        assert client.get_package_metadata(page.packages[0]).startswith("Metadata-Version: 2.1\nName: subject\n")
    assert page.repository_version == "1.1"
    assert page.versions == [release.version for release in world.SUBJECT.values()]
    for package, release in zip(page.packages, world.SUBJECT.values(), strict=True):
        assert package.upload_time == release.uploaded
        assert package.requires_python == release.requires_python
        assert package.is_yanked == bool(release.yanked)
        assert package.has_metadata
        assert package.size == len(build_wheel(release))
        assert package.digests == {"sha256": hashlib.sha256(build_wheel(release)).hexdigest()}
    assert page.packages[2].yanked_reason == "deletes the user's files"


def test_an_html_index_knows_no_upload_times() -> None:
    with LocalIndex(html_only=True) as index, PyPISimple(index.url) as client:
        index.add(world.SUBJECT["works-but-yanked"])
        (package,) = client.get_project_page("subject").packages
    assert package.upload_time is None
    assert package.requires_python == ">=3.8"
    assert package.yanked_reason == "deletes the user's files"
    assert package.digests == {"sha256": artifacts(world.SUBJECT["works-but-yanked"])[0].sha256}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "text/html"),
        ("text/html", "text/html"),
        ("application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+html"),
        ("application/vnd.pypi.simple.v1+json, text/html;q=0.01", JSON["Accept"]),
        ("application/vnd.pypi.simple.v1+json;q=0.1, text/html", "text/html"),
        ("image/png", None),
    ],
)
def test_the_type_is_negotiated(index: LocalIndex, accept: str, kind: str | None) -> None:
    index.add(world.SUBJECT["works"])
    answer = requests.get(f"{index.url}subject/", headers={"Accept": accept}, timeout=5)
    assert (answer.status_code, answer.headers.get("Content-Type")) == ((200, kind) if kind else (406, None))


def test_a_page_that_has_not_changed_is_304_until_it_changes(index: LocalIndex) -> None:
    index.add(world.SUBJECT["raises"])
    first = requests.get(f"{index.url}subject/", headers=JSON, timeout=5)
    known = JSON | {"If-None-Match": first.headers["ETag"]}
    assert requests.get(f"{index.url}subject/", headers=known, timeout=5).status_code == 304
    index.add(world.SUBJECT["works"])
    assert requests.get(f"{index.url}subject/", headers=known, timeout=5).status_code == 200
    assert [request.status for request in index.requests] == [200, 304, 200]


def test_releases_are_replaced_and_removed(index: LocalIndex) -> None:
    index.add(world.SUBJECT["raises"], world.SUBJECT["works"])
    index.add(replace(world.SUBJECT["works"], yanked=True))
    assert len(files_of(index, "subject")) == 2
    address = files_of(index, "subject")["subject-0.5.0-py3-none-any.whl"]
    index.remove("subject", "0.5.0")
    assert list(files_of(index, "subject")) == ["subject-0.2.0-py3-none-any.whl"]
    assert requests.get(address, timeout=5).status_code == 404
    with pytest.raises(KeyError):
        index.remove("subject", "0.5.0")


def test_names_are_normalized_by_redirect(index: LocalIndex) -> None:
    index.add(replace(world.SUBJECT["works"], name="The.Subject"))
    assert requests.get(f"{index.url}The_Subject", headers=JSON, timeout=5).json()["name"] == "the-subject"
    assert [request.status for request in index.requests] == [301, 200]
    assert requests.get(f"{index.url}nobody/", timeout=5).status_code == 404


def test_faults_of_pages(index: LocalIndex) -> None:
    index.add(world.SUBJECT["works"])
    page = f"{index.url}subject/"

    index.fault(Fault.ERROR, "/simple/subject/", times=2)
    statuses = [requests.get(page, timeout=5).status_code for _ in range(3)]
    assert statuses == [500, 500, 200]

    index.fault(Fault.UNREACHABLE)
    with pytest.raises(requests.ConnectionError):
        requests.get(page, timeout=5)
    assert index.requests[-1].status == 0
    index.heal()

    index.fault(Fault.TRUNCATED)
    with pytest.raises(requests.JSONDecodeError):
        requests.get(page, headers=JSON, timeout=5).json()
    index.heal()

    index.fault(Fault.CUT)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        requests.get(page, headers=JSON, timeout=5)
    index.heal()

    index.fault(Fault.SLOW, seconds=SLOW, times=1)
    began = time.monotonic()
    assert requests.get(page, timeout=5).status_code == 200
    assert time.monotonic() - began >= SLOW
    assert requests.get(page, timeout=SLOW).status_code == 200


def test_closing_is_clean_and_wakes_the_slow() -> None:
    began, before = time.monotonic(), threading.active_count()

    def wait_for_the_slow() -> None:
        with pytest.raises(requests.ConnectionError):
            requests.get(opened.url, headers=JSON, timeout=60)

    with LocalIndex() as opened, requests.Session() as session:
        session.get(opened.url, timeout=5)  # Stays open, idle.
        opened.fault(Fault.SLOW, seconds=60)
        client = threading.Thread(target=wait_for_the_slow)
        client.start()
        time.sleep(0.1)
    client.join(5)
    with pytest.raises(requests.ConnectionError):
        requests.get(opened.url, timeout=5)
    while threading.active_count() > before and time.monotonic() - began < 5:
        time.sleep(0.01)
    assert threading.active_count() == before
    assert time.monotonic() - began < 5
