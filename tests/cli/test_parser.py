"""The command line itself: what is accepted, and what is said of what is not. No command is run."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compatmatrix.cli.options import Plan
from compatmatrix.cli.parser import COMMANDS, parse
from fixtures import Project


def test_help_names_every_command_and_every_exit_code() -> None:
    said = Project(Path()).main("--help")
    assert (said.code, said.err) == (0, "")
    assert {*re.findall(r"^    (\w+)", said.out, re.MULTILINE)} >= {command.__name__.lower() for command in COMMANDS}
    assert all(f"\n  {code}  " in said.out for code in (0, 1, 2, 3, 130))


def test_help_of_run_names_its_options() -> None:
    said = Project(Path()).main("run", "--help")
    assert said.code == 0
    for option in ("--config", "--reports", "--only", "--pairing", "--as-of", "--fresh", "--jobs", "--shard", "--index",
                   "--extra-index", "--fail-on"):  # fmt: skip
        assert option in said.out


def test_options_are_frozen() -> None:
    with pytest.raises(AttributeError, match="do not change"):
        parse(["report"]).config = Path("other.toml")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom compatmatrix.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(', '.join({'rich', 'requests', 'msgspec', 'jinja2'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("started", "program"), [("/x/bin/compatmatrix", "compatmatrix"), ("/x/__main__.py", "python -m compatmatrix")]
)
def test_defect_the_installed_command_told_users_to_run_a_module(started: str, program: str) -> None:
    code = "import sys\nfrom compatmatrix.__main__ import main\nsys.exit(main())"
    argv = f"import sys\nsys.argv = [{started!r}, 'bounds', '--help']\n{code}"
    done = subprocess.run([sys.executable, "-c", argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"usage: {program} bounds" in done.stdout
    assert f"  {program} bounds PROBE\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("rum",), "did you mean run?"),
        (("run", "--only", "flax"), "write a name and a version specifier (PEP 440), like 'name>=0.12"),
        (("run", "--only", "flax=1"), "'flax=1' is no requirement"),
        (("run", "--only", "flax[x]==1"), "is not accepted"),
        (("run", "--only", "flax===old"), "is not accepted"),  # ended in a traceback: "old" is near no version
        (("run", "--as-of", "yesterday"), "'yesterday' is no date; write one like 2025-06-02"),
        (("changes", "--since", "0001-01-01T00:00+14:00"), "is no date"),
        (("changes", "--since", "9000-01-01"), "is in the future"),
        (("run", "--shard", "3/2"), "'3/2' is not accepted; write I/N with I from 1 to N, like 2/5"),
        (("run", "--shard", "1"), "like 2/5"),
        (("run", "--jobs", "0"), "must be at least 1"),
        (("run", "--fail-on", "anything"), "invalid choice: 'anything'"),
        (("run", "--fail-on", "regresed"), "did you mean regressed?"),
        (("run", "--ony", "subject==1"), "it takes no --ony subject==1; did you mean --only?"),
        (("run", "--pairings", "grid"), "did you mean --pairing?"),
        (("watch", "--shard", "1/2"), "it takes no --shard"),
        (("merge", "shards", "--fresh"), "it takes no --fresh"),
        (("run", "--source", "subject @ file:///it", "--table"), "--source examines sources alone"),
        (("run", "--format", "markdown"), "--format markdown are about --source; name one"),
        (("recipe", "--only", "subject==1", "--python", "python"), "--only names the versions"),
        (("show",), "NAME==VERSION"),
        (("run", "--index", "pypi"), "'pypi' is no web address; write one like https://pypi.org/simple/"),
        (("plan", "--extra-index", "https:///simple/"), "is no web address"),
        (
            ("run", "--data", "d.json"),
            "it does not answer from published data; recipe, bounds, check, constraints, explain",
        ),
        (("report", "--as-of", "2025-06-02"), "it takes no --as-of 2025-06-02"),
        (("bounds", "standalone", "--fresh", "--jobs", "3"), "it takes no --fresh --jobs 3"),
        (("recipe", "--as-of", "2025-06-02"), "it takes no --as-of"),
        (("watch", "--pairing", "grid"), "it takes no --pairing"),
        (("run", "--as-of", "2024-03-06..2025-01-20"), "is no date"),
        (("run", "--against", "newest"), "are about --source; name one"),
        (("run", "--source", "subject @ file:///it", "--pairing", "grid"), "--source examines sources alone"),
        (("run", "--plan", "plan.json", "--fresh"), "give --only, --pairing, --as-of and --fresh when planning"),
        (("plan", "--format", "lines"), "--format lines needs --save FILE"),
        (("plan", "--format", "lines", "--save", "p.json", "--shard", "1/2"), "leave out --shard"),
        (("run", "--format", "json", "--table"), "leave out --table"),
        (("check", "uv.lock", "--python", ".venv"), "is checked instead of files"),
        (("bisect", "held", "--good", "1", "--bad", "2", "--companion", "other", "--into-merges"), "about commits"),
        (("bisect", "held", "--good", "1", "--bad", "2", "--only", "subject==1"), "is for --companion"),
    ],
)
def test_a_wrong_argument_ends_with_2_and_a_message(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_defect_another_option_was_proposed_for_one_that_means_nothing_here(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["bounds", "standalone", "--fresh"])
    assert "it takes no --fresh\n" in capsys.readouterr().err


def as_of(text: str) -> datetime | None:
    options = parse(["plan", "--as-of", text])
    assert isinstance(options, Plan)
    return options.as_of


def test_a_day_stands_for_its_end_and_an_instant_for_itself() -> None:
    assert as_of("2025-06-02") == datetime(2025, 6, 3, tzinfo=UTC)
    assert as_of("20250602") == datetime(2025, 6, 3, tzinfo=UTC)
    assert as_of("2025-06-02T12:00") == datetime(2025, 6, 2, 12, tzinfo=UTC)
    assert as_of("2025-06-02T12:00+02:00") == datetime(2025, 6, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["9999-12-31", "2099-06-02", "2099-06-02T12:00"])
def test_defect_a_day_of_the_future_was_taken_and_its_records_stood_until_then(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last day that there is ended in a traceback."""
    with pytest.raises(SystemExit):
        as_of(text)
    assert f"{text!r} is in the future" in capsys.readouterr().err


def test_defect_the_end_of_today_was_an_instant_of_the_future() -> None:
    """What was released until midnight would have been passed over."""
    today = datetime.now(UTC)
    until = as_of(today.date().isoformat())
    assert until is not None
    assert today <= until <= datetime.now(UTC) or until.date() != datetime.now(UTC).date()
