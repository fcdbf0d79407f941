"""What a version can do."""

import pytest
from needed import Version


@pytest.mark.probe(title="match without an operator", group="match")
def test_match_without_operator(check):
    """Does `Version.match("1.2.3")` mean the same as `match("==1.2.3")`?"""
    check.equal(Version(1, 2, 3).match("1.2.3"), True)


@pytest.mark.probe(title="is_compatible", group="match")
def test_is_compatible(check):
    """Is 1.3.0 compatible with 1.2.0?"""
    if not hasattr(Version, "is_compatible"):
        pytest.skip("Version.is_compatible does not exist")
    check.equal(Version(1, 2, 0).is_compatible(Version(1, 3, 0)), True)


@pytest.mark.probe(title="Order", group="version", control=True)
def test_order(check):
    """Is 1.2.3 before 1.2.10?"""
    check.equal(Version.parse("1.2.3") < Version.parse("1.2.10"), True)


@pytest.mark.probe(title="next_version", group="version")
def test_next_version(check):
    """Does `next_version` return a version?"""
    check.that(isinstance(Version(1, 2, 3).next_version("minor"), Version), "it returns something else")


@pytest.mark.probe(title="parse with bytes", group="version")
def test_parse_bytes(check):
    """Does `parse` accept bytes?"""
    check.equal(str(Version.parse(b"1.2.3")), "1.2.3")
