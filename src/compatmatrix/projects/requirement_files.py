"""Requirements files, as pip reads them, with those that they include."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from compatmatrix.core.sanitize import line
from compatmatrix.core.untrusted_files import temporary
from compatmatrix.projects.entries import Entry, NotReadable, ProjectFile

MOST_FILES = 50
"""Files that are read together: one, and all that it includes."""


def read(path: Path, content: Callable[[Path], bytes]) -> ProjectFile:
    """Read a requirements file, and what it includes by ``-r`` and ``-c``; addresses are not followed.

    Args:
        path: of the file.
        content: reads one file; raises NotReadable.

    Raises:
        NotReadable: one of the files is none, or too many are included.
    """
    entries: list[Entry] = []
    notes: list[str] = []
    files = [Path(os.path.normpath(path))]
    for file in files:  # grows meanwhile
        for part in _parts(file, content(file)):
            if isinstance(part, Entry):
                # An annotation stands in the file that was given.
                entries.append(part if file == files[0] else msgspec.structs.replace(part, line=0))
            elif "://" in part:
                notes.append(f"{file}: {line(part, 200)} is an address, and was not read")
            elif (further := Path(os.path.normpath(file.parent / part))) not in files:
                files.append(further)
        if len(files) > MOST_FILES:
            raise NotReadable(f"{path}: includes more than {MOST_FILES} files")
    return ProjectFile(name=str(path), entries=tuple(entries), notes=tuple(notes))


def _parts(path: Path, data: bytes) -> Iterator[Entry | str]:
    """The requirements of one file, and the files and addresses that it includes."""
    # Half of this command's time would go into importing it, where no such file is read.
    from pip_requirements_parser import OptionLine, RequirementsFile

    try:
        text = data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
        with temporary() as scratch:
            # It reads files only, would follow a link or wait for a FIFO, and searches long white space for hours.
            copy = scratch / "requirements.txt"
            copy.write_text("\n".join(" ".join(one.split()) for one in text.splitlines()), encoding="utf-8-sig")
            parsed = RequirementsFile.from_file(str(copy), include_nested=False)
    except UnicodeDecodeError:
        raise NotReadable(f"{path}: is not text") from None
    except RecursionError:
        raise NotReadable(f"{path}: is nested too deeply") from None
    for option in parsed.options:
        assert isinstance(option, OptionLine)
        yield from (*option.options.get("requirements", ()), *option.options.get("constraints", ()))
    for found in parsed.requirements:
        if found.name:
            yield Entry(
                name=canonicalize_name(found.name),
                specifier=str(found.specifier or ""),
                marker=str(found.marker or ""),
                line=found.line_number,
                source=("git" if found.link.is_vcs else "url") if found.link else "",
            )
        elif not (found.is_editable or re.search(r"://|^[./]|\.(whl|zip|gz)$", found.line)):
            raise _no_requirement(path, found.line, found.line_number)
    for wrong in parsed.invalid_lines:
        yield from _with_unknown_option(path, wrong.line, wrong.line_number)


def _with_unknown_option(path: Path, text: str, number: int) -> Iterator[Entry]:
    """The requirement of a line that only has an option which the parser does not know."""
    words = text.partition(" -")[0].strip()
    if words.startswith("-"):
        return
    try:
        requirement = Requirement(words)
    except InvalidRequirement:
        raise _no_requirement(path, text, number) from None
    yield Entry(
        name=canonicalize_name(requirement.name),
        specifier=str(requirement.specifier),
        marker=str(requirement.marker or ""),
        line=number,
        source="url" if requirement.url else "",
    )


def _no_requirement(path: Path, text: str, number: int) -> NotReadable:
    return NotReadable(f"{path}:{number}: {line(text, 100)!r} is no requirement; write one like 'name==1.0'")
