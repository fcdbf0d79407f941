"""What the alarm says: nothing that came out of a package does anything but stand there."""

from __future__ import annotations

import re

import pytest

from announcements import HOSTILE, bulletin
from compatmatrix.ci import issue_texts
from compatmatrix.ci.gate import Refusal
from compatmatrix.ci.issues import LIMIT
from compatmatrix.config.tables import Config
from factories import config


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config(tmp_path_factory.mktemp("configured"))


def outside_code(markdown: str) -> str:
    """What is left of Markdown without its code."""
    markdown = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", markdown)


@pytest.mark.parametrize("write", [issue_texts.summary, issue_texts.headline, issue_texts.job])
def test_what_a_package_says_stands_in_code_or_is_escaped(configured: Config, write: object) -> None:
    found = bulletin(refusals=(Refusal(kind="control", why=HOSTILE),))
    text = outside_code(write(configured, found))  # type: ignore[operator]
    assert "<script" not in text
    assert not re.search(r"@\w", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    assert not re.search(r"^\s*::", text, re.MULTILINE)
    assert text.count("<details>") == text.count("</details>")


def test_an_issue_is_never_longer_than_github_takes_and_its_parts_are_whole(configured: Config) -> None:
    body = issue_texts.headline(configured, bulletin("long " * 100, count=200))
    assert LIMIT - 8_000 < len(body) < LIMIT - 1_000
    assert "more are left out here" in body
    assert body.count("<details>") == body.count("</details>")
    assert issue_texts.HANDLING in body
