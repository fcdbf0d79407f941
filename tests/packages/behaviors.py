"""The ordinary ways in which a release of the made-up ``subject`` behaves, and how its source is put together.

The subject is a miniature of a training library. A probe for it reads like those for the real one::

    import helper, subject

    def test_standalone():
        value = subject.Value(0.0)              # inside subject.Holder(value): the control, which nearly always works
        trainer = subject.Trainer(value)        # bare: what the releases differ in
        for _ in range(10):
            trainer.step(2 * (value.number - 3.0))
        assert value.number == expected         # helper.step applied ten times to a plain 0.0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import indent


@dataclass(frozen=True)
class Behavior:
    """What a release of ``subject`` does; each piece of source goes to its place in ``subject/core.py``.

    Attributes:
        why: One sentence: what a test learns from it.
        at_import: Statements at the top of the module.
        on_anything: First statements of ``Trainer.__init__(self, thing)``.
        on_bare: Body of the function that gets a bare ``thing`` and returns the value to train.
        lacks_trainer: Whether there is no ``subject.Trainer`` at all.
        modules: Further modules in site-packages.
        entry_points: The wheel's entry points.
        claims: What ``subject.__version__`` says, if not the truth.
    """

    why: str
    at_import: str = ""
    on_anything: str = ""
    on_bare: str = "return thing"
    lacks_trainer: bool = False
    modules: Mapping[str, str] = field(default_factory=dict)
    entry_points: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    claims: str | None = None


_CORE = '''\
"""The miniature training library."""
{at_import}
import companion
import helper


class NotTrainable(Exception):
    """A thing cannot be trained."""


class Value:
    """A number that can be trained."""

    def __init__(self, number):
        self.number = number


class Holder:
    """A thing with a value in it."""

    def __init__(self, value):
        self.value = value

'''

_TRAINER = '''
class Trainer:
    """Trains a holder's value; what it makes of a bare value depends on the release."""

    def __init__(self, thing):
{on_anything}
        self._value = thing.value if isinstance(thing, Holder) else bare(thing)

    def step(self, gradient):
        self._value.number = helper.step(self._value.number, gradient)


def bare(thing):
{on_bare}
'''


def sources(behavior: Behavior, version: str) -> dict[str, str]:
    """Writes the modules of a ``subject`` release that behaves so."""
    names = "Holder, Value" if behavior.lacks_trainer else "Holder, Trainer, Value"
    core = _CORE.format(at_import=behavior.at_import)
    if not behavior.lacks_trainer:
        on_anything = indent(behavior.on_anything or "pass", " " * 8)
        core += _TRAINER.format(on_anything=on_anything, on_bare=indent(behavior.on_bare, " " * 4))
    package = f"from subject.core import {names}\n\n__version__ = {behavior.claims or version!r}\n"
    return {"subject/__init__.py": package, "subject/core.py": core, **behavior.modules}


ORDINARY: Mapping[str, Behavior] = {
    "works": Behavior("A bare value is trained, so the answer is supported."),
    "lacks-api": Behavior("There is no Trainer, so the answer is absent and never raises.", lacks_trainer=True),
    "raises": Behavior(
        "The limitation: an exception of the subject's own, with an address in its text that no signature may keep.",
        on_bare='raise NotTrainable(f"cannot train a bare Value at {id(thing):#x}: it stands outside a Holder")',
    ),
    "raises-differently": Behavior(
        "Still the limitation, but another exception from elsewhere, so a change of signature.",
        on_bare="""\
def graph_of(thing):
    raise TypeError(f"Trainer got {type(thing).__name__}, shape (3, 4)")
return graph_of(thing)""",
    ),
    "raises-in-companion": Behavior(
        "The exception is raised by the companion, deep below the subject, and counts as raises all the same.",
        on_bare="return companion.checked(thing)",
    ),
    "no-effect": Behavior(
        "The dangerous one: no exception, but a copy is trained and the value stays as it was.",
        on_bare="return Value(thing.number)",
    ),
    "wrong-number": Behavior(
        "No exception, and something is learned, but the wrong thing; only a check to some digits tells.",
        on_bare="thing.number += 1e-3\nreturn thing",
    ),
    "control-fails": Behavior(
        "Nothing can be trained, so that a bare value fails says nothing: inconclusive.",
        on_anything='raise NotTrainable("nothing can be trained")',
    ),
    "import-error": Behavior(
        "The import fails with an ImportError whatever the companion.",
        at_import="from companion import never_there",
    ),
    "attribute-error": Behavior(
        "The import fails with an AttributeError, which is an import that fails all the same.",
        at_import="import companion\ncompanion.never_there",
    ),
    "needs-ancient": Behavior(
        "The limitation, on names that companion 2.0 dropped: with the newest companion an AttributeError at import.",
        at_import="import companion\ncompanion.ancient",
        on_bare='raise NotTrainable(f"cannot train a bare Value at {id(thing):#x}: it stands outside a Holder")',
    ),
    "needs-legacy": Behavior(
        "Works, on a module that companion 3.0 emptied: with the newest companion an ImportError at import.",
        at_import="from companion.legacy import kept_until_3",
    ),
    "warns": Behavior(
        "Works, with ten thousand warnings, which must neither hide the answer nor fill the record.",
        on_bare="""\
import warnings
for number in range(10_000):
    warnings.warn(f"warning {number}", stacklevel=1)
return thing""",
    ),
}
