"""The command line -> the options of one command. Imports nothing heavy, so that `--help` answers at once."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

from compatmatrix import __version__
from compatmatrix.cli import ci_options, options, project_options
from compatmatrix.cli.options import WRONG, Options
from compatmatrix.core.text import suggestion

COMMANDS: Mapping[type[Options], tuple[str, str]] = {
    options.Init: ("init", "init"),
    options.Run: ("run", "run"),
    options.Plan: ("plan", "show_plan"),
    options.Show: ("query", "show"),
    options.Recipe: ("query", "recipe"),
    options.Bounds: ("query", "bounds"),
    project_options.Check: ("check", "check"),
    project_options.Constraints: ("check", "constraints"),
    project_options.Explain: ("check", "explain"),
    options.Report: ("report", "report"),
    ci_options.Changes: ("ci", "changes"),
    options.Watch: ("sources", "watch"),
    options.Bisect: ("bisect", "bisect"),
    ci_options.Merge: ("ci", "merge"),
    ci_options.Announce: ("ci", "announce"),
    ci_options.Comment: ("ci", "comment"),
    ci_options.Publish: ("ci", "publish"),
    project_options.Package: ("report", "package"),
}
"""The commands, in the order of `--help`: the module of this package, and the function in it, that each runs."""

PROGRAM = "compatmatrix" if Path(sys.argv[0]).stem == "compatmatrix" else "python -m compatmatrix"
"""How this process was started: by the command that its installation made, or as a module."""

EPILOG = """\
exit codes:
  0  the job was done, whatever was found
  1  some cells could not be examined (they are listed, with the reason)
  2  the arguments or matrix.toml are wrong, or match nothing
  3  a --fail-on condition holds, or `check` found versions that are known to be broken
  130  interrupted; what was done is recorded
"""


class _Parser(argparse.ArgumentParser):
    """Names the nearest of the choices where a word is none of them; takes no abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        layout = argparse.RawDescriptionHelpFormatter
        super().__init__(formatter_class=layout, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        if found := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            message += suggestion(found[1], re.findall(r"[\w-]+", found[2]))
        # Without the usage, which is longer than a screen and hides the message.
        self.exit(WRONG, f"{self.prog}: error: {message}\n`--help` says what it takes\n")


def parse(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> Options:
    """Parse the command line.

    Args:
        arguments: those of a command; None for those of this process.
        program: how it was started, for the usage and the examples.

    Raises:
        SystemExit: after `--help` (0), or where the arguments are wrong (2, with a message).
    """
    about = "Runs probes against the releases of a package, and publishes what each release supports."
    parser = _Parser(prog=program, description=about, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    kinds = {kind.__name__.lower(): kind for kind in COMMANDS}
    flags = {word: _add_command(commands, word, kind, program) for word, kind in kinds.items()}
    given, unknown = parser.parse_known_args(arguments)
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(given).items()}
    del values["command"]
    chosen: Options = kinds[given.command](**values)
    known = {flag for every in flags.values() for flag in every}  # an option of another command is not misspelled
    words = [word.partition("=")[0] for word in unknown if word.startswith("-")]
    hints = (suggestion(word, flags[given.command]) for word in words if word not in known)
    problem = f"it takes no {' '.join(unknown)}{''.join(hints)}" if unknown else chosen.conflict()
    if "--data" in words:  # also where it was not given: by a distribution of the data
        commands_of_data = (word for word, kind in kinds.items() if issubclass(kind, options.DataOptions))
        problem = f"it does not answer from published data; {', '.join(commands_of_data)} do"
    if problem:
        commands.choices[given.command].error(problem)
    return chosen


def _add_command(commands: Any, word: str, kind: type[Options], program: str) -> list[str]:
    """Add the parser of a command, with a group of options for each heading; returns its flags."""
    text = (kind.__doc__ or "").rstrip(".")
    examples = "\n".join(["examples:", *(f"  {program} {one}" for one in kind.examples)])
    command = commands.add_parser(word, help=text, description=text, epilog=f"{examples}\n\n{EPILOG}")
    flags: list[str] = []
    for heading, parts in groupby(kind.__mro__, lambda part: getattr(part, "heading", "")):
        group = command.add_argument_group(heading)
        for name, settings in (field for part in parts for field in vars(part).items()):
            if not isinstance(settings, dict) or name.startswith("_"):
                continue
            flag = name if settings.get("positional") else f"--{name.replace('_', '-')}"
            if flag not in flags:  # a class may say anew what an option of its base means
                flags.append(flag)
                group.add_argument(flag, **{key: value for key, value in settings.items() if key != "positional"})
    return flags
