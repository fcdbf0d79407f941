"""probes/errors.toml: what somebody wrote about errors. It is shown beside what is on record of them, and marked as such."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from compatmatrix.config import toml_errors
from compatmatrix.config.toml_errors import Problem, raise_all, structure_problems


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why an error comes up."""

    pattern: Annotated[
        str,
        Meta(description="Regular expression, searched in the error's signature.", examples=["^KeyError: 'gone'$"]),
    ]
    cause: Annotated[str, Meta(description="A sentence or two.", examples=["The name was removed."])]
    links: Annotated[
        tuple[str, ...], Meta(description="Addresses of more about it.", examples=[["https://example.org/"]])
    ] = ()


class _File(msgspec.Struct, frozen=True, kw_only=True):
    error: tuple[Cause, ...] = ()


def read(path: Path) -> tuple[Cause, ...]:
    """The causes in a file; none where there is no file.

    Raises:
        UserError: the file cannot be read, is not TOML, or holds something that is not accepted.
    """
    if not path.exists():
        return ()
    text, tree = toml_errors.read(path)
    raise_all(path, text, structure_problems(tree, _File))
    causes = msgspec.convert(tree, _File).error
    raise_all(path, text, _wrong_patterns(causes))
    return causes


def _wrong_patterns(causes: tuple[Cause, ...]) -> Iterator[Problem]:
    for number, cause in enumerate(causes):
        try:
            re.compile(cause.pattern)
        except re.error as error:
            yield f"error[{number}].pattern", f"no regular expression: {error}"
