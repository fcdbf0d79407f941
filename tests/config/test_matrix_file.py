"""matrix.toml is read whole, and every error names the file, the line, the key and what is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from compatmatrix.config import defaults, matrix_file
from compatmatrix.config.tables import Config, Index
from compatmatrix.core.errors import UserError
from factories import probe
from fixtures import MATRIX, Project, matrix

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "matrix.toml"
    path.write_text(matrix())
    return path


def error(file: Path, old: str, new: str) -> str:
    """Makes one mistake in the file and returns what is said about it, without the folder."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        matrix_file.load(file, environ={})
    return str(caught.value).replace(f"{file.parent}/", "")


def line_of(file: Path, text: str) -> int:
    return next(number for number, line in enumerate(file.read_text().splitlines(), 1) if text in line)


def test_a_right_file_is_read_whole_and_in_order(file: Path) -> None:
    read = matrix_file.load(file, environ={})
    assert read.named == ("subject", "companion", "companionlib", "helper")
    assert [companion.pinned("1.0") for companion in read.companions] == ["companion[cpu]==1.0", "helper==1.0"]
    assert read.pairings.default == ("release-day", "newest")
    assert read.environment == {"PLANTED": "by matrix.toml"}


def test_the_projects_own_file_is_right() -> None:
    own = ROOT / "matrix.toml"
    assert matrix_file.load(own, environ={}).subject.headline


@pytest.mark.parametrize(
    ("old", "new", "marker", "said"),
    [
        (
            'title = "Subject"',
            'titel = "Subject"',
            "titel",
            "`subject.titel`: is not known here; did you mean title? accepted: name, releas",
        ),
        ('control = "held"', "", "[subject]", "`subject.control`: is missing. Id of the probe that must be supported"),
        ("seconds = 20", 'seconds = "long"', "seconds =", "`limits.seconds`: expected `int`, got `str`"),
        ("seconds = 20", "seconds = 0", "seconds =", "`limits.seconds`: expected `int` >= 1"),
        ("memory_mb = 1024", "memory_mb = -1", "memory_mb =", "`limits.memory_mb`: expected `int` >= 1"),
        ('releases = ">=0.1"', 'releases = "new"', "releases =", "`subject.releases`: 'new' is no version specifier"),
        ('releases = ">=1.0"', 'releases = "x"', 'releases = "x"', "`pairings.grid.releases`: 'x' is no version spec"),
        (
            '"companion[cpu]"',
            '"companion["',
            "requirement =",
            "`companion[0].requirement`: 'companion[' is no requirement",
        ),
        ('"companion[cpu]"', '"other[cpu]"', "requirement =", "'other[cpu]' is not about 'companion'"),
        ("[pairings.grid]", '[pairings]\ndefault = ["new"]\n[pairings.grid]', "default =", "newest, oldest, grid"),
        ('companion = "companion"', 'companion = "jam"', '"jam"', "'jam' is no companion; there are companion, helper"),
        ('"3.99"]', '"4.0"]', "versions =", "'4.0' is not accepted; write versions like \"3.12\""),
        ("[python]", '[pairings.python]\nversions = ["four"]\n[python]', '["four"]', "'four' is not accepted"),
        ("[python]", '[[reported]]\nname = "Helper"\n[python]', '"Helper"', "'Helper' is the subject or a companion"),
        ("[tools]", "[tools]\nextra = 8", "extra = 8", "`tools.extra`: expected `str`, got `int`"),
        ("pytest =", "pitest =", "[tools]", "must pin pytest and pytest-json-report"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_is_accepted(
    file: Path, old: str, new: str, marker: str, said: str
) -> None:
    message = error(file, old, new)
    assert message.startswith(f"matrix.toml:{line_of(file, marker)}: `"), message
    assert said in message


def test_an_empty_list_of_pythons_is_refused(file: Path) -> None:
    assert re.search(
        r"matrix.toml:\d+: `python.versions`: is empty", error(file, 'versions = ["3', 'versions = [] # ["3')
    )


def test_an_unknown_table_is_refused_with_those_that_are_known(file: Path) -> None:
    message = error(file, "[limits]", "[limit]")
    assert message.startswith(
        f"matrix.toml:{line_of(file, '[limit]')}: `limit`: is not known here; did you mean limits?"
    )


def test_defect_only_the_first_of_several_mistakes_was_named(file: Path) -> None:
    text = file.read_text()
    wrong = {'control = "held"': 'controll = "held"', "seconds = 20": 'seconds = "long"', "pytest =": "pitest ="}
    for old, new in (*wrong.items(), ('name = "helper"', "oldest = 3"), ('"3.99"]', '"4.0"]')):
        text = text.replace(old, new, 1)
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        matrix_file.load(file, environ={})
    first, *problems = str(caught.value).replace(f"{file.parent}/", "").split("\n  ")
    assert first == "matrix.toml: 5 problems"
    assert [problem.split("`")[1] for problem in problems] == [
        "subject.control",
        "subject.controll",
        "companion[1].name",
        "companion[1].oldest",
        "limits.seconds",
    ], "in the order of the file"
    file.write_text(text := text.replace('controll = "held"', 'control = "held"\nx = 1').replace('"long"', "20"))
    file.write_text(text.replace("oldest = 3", 'name = "helper"'))
    with pytest.raises(UserError, match=r"3 problems(.|\n)*`subject.x`(.|\n)*`python.versions`(.|\n)*`tools`"):
        matrix_file.load(file, environ={})


def test_defect_a_probe_that_is_not_there_was_named_only_when_all_else_was_right(tmp_path: Path) -> None:
    Project.make(tmp_path, "https://example.org/simple/")
    file = tmp_path / "matrix.toml"
    wrong = file.read_text()
    for old, new in (('headline = "standalone"', 'headline = "gone"'), ('control = "held"', 'control = "held"\nx = 1')):
        wrong = wrong.replace(old, new)
    file.write_text(wrong)
    with pytest.raises(UserError, match=r"2 problems(.|\n)*`subject.headline`: 'gone' is no probe(.|\n)*`subject.x`"):
        matrix_file.load(file, environ={})


@pytest.mark.parametrize("text", ["", "[subject]\n"])
def test_defect_a_legal_file_took_as_many_errors_as_it_has_required_keys(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        matrix_file.load(file, environ={})
    missing = [line.split("`")[1] for line in str(caught.value).splitlines() if "is missing. " in line]
    required = ["subject.name", "subject.releases", "subject.import", "subject.headline", "subject.control"]
    assert {*required} <= {*missing}


@pytest.mark.parametrize("old", ["[[companion]]", "[subject]"])
def test_one_table_for_several_or_several_for_one_is_named(file: Path, old: str) -> None:
    text = file.read_text().split('[[companion]]\nname = "helper"')[0]
    new = "[companion]" if old == "[[companion]]" else "[[subject]]"
    file.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=rf"matrix.toml:\d+: `{new.strip('[]')}`: expected `(array|table)`, got"):
        matrix_file.load(file, environ={})


def test_defect_a_mistake_in_a_second_companion_was_placed_in_the_first(file: Path) -> None:
    message = error(file, 'name = "helper"', 'name = "helper"\nrequirement = "helper["')
    assert message.startswith(f"matrix.toml:{line_of(file, 'helper[')}: ")
    message = error(file, 'requirement = "helper["', "requirement = 3")
    assert message.startswith(f"matrix.toml:{line_of(file, 'requirement = 3')}: ")


@pytest.mark.parametrize("version", [">=8", "latest", ""])
def test_defect_a_tool_that_is_no_exact_version_reached_the_resolver(file: Path, version: str) -> None:
    """There it failed for every cell, as if the index were to blame."""
    pinned = next(line for line in file.read_text().splitlines() if line.startswith("pluggy ="))
    message = error(file, pinned, f'pluggy = "{version}"')
    assert message.startswith(f"matrix.toml:{line_of(file, 'pluggy =')}: `tools.pluggy`: {version!r} is no version")


def test_no_toml_at_all_says_where_it_stops_to_be(file: Path) -> None:
    file.write_text(MATRIX.split("[python]")[0] + "[python\n")
    with pytest.raises(UserError, match=r"matrix.toml: not valid TOML: .*line \d+"):
        matrix_file.load(file, environ={})


def test_a_missing_file_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone.toml: cannot be read .*--config"):
        matrix_file.load(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Index(url="https://example.org/simple/")),
        ({"PIP_INDEX_URL": "https://pip/"}, Index(url="https://pip/")),
        ({"UV_DEFAULT_INDEX": "https://uv/", "PIP_INDEX_URL": "https://pip/"}, Index(url="https://uv/")),
        ({"UV_DEFAULT_INDEX": "mirror=https://uv/"}, Index(url="https://uv/")),
        (
            {"UV_INDEX": "a=https://one/ https://two/?x=y"},
            Index(url="https://example.org/simple/", extra=("https://one/", "https://two/?x=y")),
        ),
        (
            {"PIP_EXTRA_INDEX_URL": "https://one/"},
            Index(url="https://example.org/simple/", extra=("https://one/",)),
        ),
    ],
)
def test_the_index_may_come_from_the_environment(file: Path, environ: dict[str, str], expected: Index) -> None:
    assert matrix_file.load(file, environ=environ).index == expected


def test_this_machine_must_have_a_platform(file: Path) -> None:
    read = matrix_file.load(file, environ={})
    assert matrix_file.host_platform(read) in read.platform
    with pytest.raises(UserError, match="add a line for it"):
        matrix_file.host_platform(msgspec.structs.replace(read, platform={"amiga-m68k": "none"}))


@pytest.mark.parametrize(
    ("old", "key"),
    [
        ('headline = "standalone"', "subject.headline"),
        ('"held", "standalone"]', "pairings.grid.probes"),
        ('probes = ["standalone"]', "reported[0].probes"),
    ],
)
def test_a_probe_that_is_not_there_is_named_with_those_that_are(tmp_path: Path, old: str, key: str) -> None:
    project = Project.make(tmp_path, "https://example.org/simple/")
    project.set("[pairings.grid]", '[[reported]]\nname = "storage"\nprobes = ["standalone"]\n[pairings.grid]')
    project.set(old, old.replace("standalone", "gone"))
    with pytest.raises(
        UserError, match=rf"matrix.toml:\d+: `{re.escape(key)}`: 'gone' is no probe; there are held, standalone"
    ):
        matrix_file.check_probes(tmp_path / "matrix.toml", project.config, project.probes, tmp_path / "probes")


def test_an_answer_of_the_map_is_decided_by_a_probe_that_the_grid_runs(tmp_path: Path) -> None:
    project = Project.make(tmp_path, "https://example.org/simple/")
    project.set("[python]", '[pairings.grid.answers]\nadds = "arithmetic"\n\n[python]')
    with pytest.raises(UserError, match=r"matrix.toml:\d+: `pairings.grid.answers.adds`: 'arithmetic' is none of"):
        matrix_file.check_probes(tmp_path / "matrix.toml", project.config, project.probes, tmp_path / "probes")


def test_defect_a_map_without_the_control_was_run_and_had_no_answer_that_counts(tmp_path: Path) -> None:
    project = Project.make(tmp_path, "https://example.org/simple/")
    project.set('"held", "standalone"]', '"standalone"]')
    with pytest.raises(UserError, match=r"matrix.toml:\d+: `pairings.grid.probes`: add the control, 'held'"):
        matrix_file.check_probes(tmp_path / "matrix.toml", project.config, project.probes, tmp_path / "probes")


def test_a_misnamed_import_is_an_error_and_not_a_failing_import(tmp_path: Path) -> None:
    project = Project.make(tmp_path, "https://example.org/simple/")
    project.set('import = "subject_api"', 'import = "subject_apo"')
    with pytest.raises(UserError, match=r"matrix.toml:\d+: `subject.import`: 'subject_apo' is no module of probes/"):
        matrix_file.check_probes(tmp_path / "matrix.toml", project.config, project.probes, tmp_path / "probes")


@pytest.mark.parametrize(
    ("repository", "page"),
    [
        ("https://github.com/Owner/matrix", "https://owner.github.io/matrix/"),
        ("https://github.com/owner/owner.github.io", "https://owner.github.io/"),
        ("https://example.org/owner/matrix", ""),
        ("", ""),
    ],
)
def test_the_workflow_names_the_addresses_that_are_not_set(repository: str, page: str) -> None:
    read = matrix_file.load(ROOT / "matrix.toml", environ={"COMPATMATRIX_REPOSITORY": repository})
    assert (read.publish.repository, read.publish.url) == (repository, page)


def test_addresses_that_are_set_stay(tmp_path: Path) -> None:
    file = tmp_path / "matrix.toml"
    text = (ROOT / "matrix.toml").read_text(encoding="utf-8")
    file.write_text(
        text.replace("[publish]", '[publish]\nurl = "https://example.org/a"\nrepository = "https://example.org/b"')
    )
    read = matrix_file.load(file, environ={"COMPATMATRIX_REPOSITORY": "https://github.com/owner/matrix"})
    assert (read.publish.url, read.publish.repository) == ("https://example.org/a", "https://example.org/b")


SHORT = """\
[subject]
name = "subject"
releases = ">=0"
import = "needed"
headline = "it"
control = "it"

[python]
versions = ["3.11"]
"""


def short(folder: Path, more: str = "", name: str = "subject") -> Config:
    path = folder / "matrix.toml"
    path.write_text(SHORT.replace('"subject"', f'"{name}"') + more, encoding="utf-8")
    return matrix_file.load(path, environ={})


def test_defect_platforms_and_tools_had_to_be_written_down(tmp_path: Path) -> None:
    config = short(tmp_path)
    assert (dict(config.platform), dict(config.tools)) == (defaults.PLATFORMS, defaults.TOOLS)
    assert all("==" in line for line in config.tool_requirements)


def test_defect_a_subject_that_runs_the_probes_was_pinned_to_the_tools_version(tmp_path: Path) -> None:
    """All but one of its releases were unresolvable, and old ones crashed with the plugins of their day."""
    others = ["pytest", "pytest-json-report", "pytest-metadata"]
    assert short(tmp_path, name="pluggy").tool_requirements == [*others, "iniconfig"]
    assert short(tmp_path, '[[companion]]\nname = "Iniconfig"\n').tool_requirements == [*others, "pluggy"]
    tools = '[tools]\npytest = "8.4.2"\npytest-json-report = "1.5.0"\npluggy = "1.6.0"\n'
    with pytest.raises(UserError, match=r"matrix.toml:13: `tools.pluggy`: is what is tested: leave \[tools\] out"):
        short(tmp_path, tools, name="pluggy")


def test_the_question_of_a_matrix_without_words_is_the_headlines(tmp_path: Path) -> None:
    subject = matrix_file.with_words(short(tmp_path), [probe("it")]).subject
    assert (subject.question, subject.yes, subject.no) == ("Does it work?", "It is supported", "It is not supported")
