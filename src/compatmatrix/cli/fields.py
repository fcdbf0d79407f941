"""What a field of an options class is: the settings of its option, for ``add_argument``. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def value(metavar: str, text: str, **settings: Any) -> Any:
    """The settings of an option with a value."""
    return {"metavar": metavar, "help": text, **settings}


def path(metavar: str, text: str, **settings: Any) -> Any:
    """The same with a path."""
    return value(metavar, text, type=Path, **settings)


def repeated(metavar: str, text: str, **settings: Any) -> Any:
    """The same for an option that may be given more than once."""
    return value(metavar, f"{text}; repeatable", action="append", default=[], **settings)


def flag(text: str) -> Any:
    """The settings of an option without a value."""
    return {"help": text, "action": "store_true"}


def choice(text: str, *choices: str, **settings: Any) -> Any:
    """The settings of an option with one of some values."""
    return {"help": text, "choices": choices, **settings}
