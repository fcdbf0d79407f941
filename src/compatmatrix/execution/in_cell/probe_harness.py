"""The pytest plugin with which probes answer: the mark `probe`, and the fixtures `check` and `recipe`.

`run_probes` loads it in the cell, before the subject. It needs pytest and nothing of the engine, and keeps to the syntax of
the oldest Python that a cell may have. Its code is part of every probe's digest (see `config.probe_files`): a change here
makes every recorded answer stale.
"""

from __future__ import annotations

import numbers
import runpy
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

import pytest

MOST_SHOWN, LONGEST_SHOWN = 20, 1000
"""Numbers, and characters, that are recorded of what was found: a report that is too long is not read at all."""

ANSWERS: list[BaseException] = []
"""The exceptions that left a `check.answer()`."""


class NoEffect(AssertionError):
    """Nothing was raised, and yet what was found is not what should be."""


class Check:
    """Compares what a probe found with what should be, and records what was found.

    Each method raises `NoEffect` where the two differ: then the outcome of the probe is `no-effect`.
    """

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record

    def equal(self, found: object, expected: object) -> None:
        """Pass where ``found == expected``."""
        self._record("value", _shown(found))
        same: object = found == expected
        # What a comparison returns that is no truth value, as an expression or an array, would pass as one.
        if type(same).__name__ not in ("bool", "bool_"):
            raise TypeError(f"== returns a {type(same).__name__} here: compare something else, or use check.close")
        if not same:
            raise NoEffect(f"found {_shown(found)}, expected {_shown(expected)}")

    def close(self, found: object, expected: object, tolerance: float = 1e-5) -> None:
        """Pass where no number differs by more than the tolerance.

        Args:
            found: A number, an array (whatever has a method `tolist`), or a list, tuple or dict of those.
            expected: The numbers that should be there, in the same structure.
            tolerance: The greatest difference.

        Raises:
            NoEffect: A number differs, or something that is no number stands in the place of one.
            TypeError: There is no number in ``expected``, or something else.
        """
        there, wanted = dict(_numbers(found)), dict(_numbers(expected))
        if not wanted or not all(isinstance(number, float) for number in wanted.values()):
            raise TypeError(f"check.close compares with numbers, not with a {type(expected).__name__}")
        self._record("value", _recorded(there))
        alike = there.keys() == wanted.keys()
        for index, number in wanted.items():
            if alike and isinstance(there[index], str):
                raise NoEffect(f"found {there[index]} where the number {number:.6g} should be")
        if not alike or not all(abs(there[at] - wanted[at]) <= tolerance for at in wanted):
            raise NoEffect(f"found {_listed(there, '.6g')}, expected {_listed(wanted, '.6g')}")

    def that(self, condition: object, wrong: str, value: object = None) -> None:
        """Pass where the condition holds.

        Args:
            condition: What should be true.
            wrong: What it means if it is not.
            value: What was found, if that is to be recorded.
        """
        if value is not None:
            self._record("value", _shown(value) if not isinstance(value, str) else value)
        if not condition:
            raise NoEffect(wrong)

    def note(self, sentence: str) -> None:
        """Record a short remark with the answer."""
        self._record("note", sentence)

    def answer(self) -> _Answer:
        """A context manager: an exception that is raised inside is the subject's answer, wherever it came from.

        Only for calls whose exceptions cannot be told from a fault of the probe: the class of the exception is not the
        subject's, and no Python code of the subject is in its traceback, as where C code raises a ValueError.
        """
        return _Answer()


class _Answer:
    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, NoEffect):
            ANSWERS.append(error)


@pytest.fixture
def check(record_property: Callable[[str, object], None]) -> Check:
    """Compares what was found with what should be; see `Check`."""
    return Check(record_property)


@pytest.fixture
def recipe(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Callable[..., Any]:
    """Runs ``recipes/<id of the probe>.<form>.py``, which readers are shown, and returns the ``value`` it ends with.

    Without a form, the file is ``recipes/<id of the probe>.py``.
    """
    probe = request.node.originalname.replace("test_", "", 1).replace("_", "-")
    folder = request.node.path.parent / "recipes"

    def run(form: str = "") -> Any:
        name = ".".join(filter(None, (probe, form, "py")))
        record_property("recipe", name)
        names = runpy.run_path(str(folder / name), run_name="__main__")
        if "value" not in names:
            raise LookupError(f"recipes/{name} sets no `value`, which is what it should end with")
        return names["value"]

    return run


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line(
        "markers",
        "probe(title, group, links, control, needs): how the table shows a probe; read from the source, so literals only",
    )


def _numbers(thing: Any, at: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], Any]]:
    """Each number with its place in the structure; what is no number as words, like ``a str``.

    float() would also take an object of the subject that was left in the place of a number.
    """
    if hasattr(type(thing), "tolist"):
        thing = thing.tolist()
    if isinstance(thing, (list, tuple)):
        thing = dict(enumerate(thing))
    if isinstance(thing, Mapping):
        for key, part in thing.items():
            yield from _numbers(part, (*at, key))
    elif isinstance(thing, numbers.Real) and not isinstance(thing, bool):
        yield at, float(thing)
    else:
        yield at, f"a {type(thing).__name__}"


def _recorded(found: dict[tuple[object, ...], Any]) -> object:
    """What is recorded: a number with five digits, for the ones after those differ between machines; else words."""
    number = found.get(())
    return float(f"{number:.5g}") if isinstance(number, float) else _listed(found, ".4g")


def _listed(found: dict[tuple[object, ...], Any], digits: str) -> str:
    first = list(found.values())[:MOST_SHOWN]
    shown = [format(number, digits) if isinstance(number, float) else str(number) for number in first]
    return (", ".join(shown) or "nothing") + (f" … ({len(found)} in all)" if len(found) > MOST_SHOWN else "")


def _shown(thing: object) -> object:
    """A number as it is, a class by its name, everything else as Python writes it."""
    if isinstance(thing, type):
        return thing.__name__
    return thing if isinstance(thing, (int, float)) and not isinstance(thing, bool) else repr(thing)[:LONGEST_SHOWN]
