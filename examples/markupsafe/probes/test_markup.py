"""What the class `Markup` does."""

import pytest
from markupsafe import Markup


@pytest.mark.probe(title="striptags", group="markup", links=("https://github.com/pallets/markupsafe/issues/417",))
def test_striptags(check):
    """Does `striptags` leave one space where it removes a tag between two?"""
    check.equal(str(Markup("one <br> two").striptags()), "one two")
