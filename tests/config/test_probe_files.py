"""Probes are read as text: who they are, what they ask, and which change of source makes a new question."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from compatmatrix.config import probe_files, syntax_tree
from compatmatrix.core.errors import UserError
from compatmatrix.core.model import Probe
from fixtures import PROBES, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, PROBES)
    return tmp_path


def digests(folder: Path) -> dict[str, str]:
    return {probe.id: probe.digest for probe in probe_files.read(folder)}


def changed(folder: Path, name: str, text: str) -> set[str]:
    """Writes a file and tells which probes are new questions by it."""
    before = digests(folder)
    write(folder, {name: text})
    return {probe for probe, digest in digests(folder).items() if before.get(probe) != digest}


def test_a_probe_is_a_function_with_a_docstring_and_one_mark(folder: Path) -> None:
    held, standalone, arithmetic = probe_files.read(folder)
    assert standalone == Probe(
        id="standalone",
        title="Bare Value",
        question="Can a bare Value be trained?",
        advice="It is given to the trainer as it is.",
        group="headline",
        file="test_value.py",
        digest=standalone.digest,
        source=standalone.source,
        links=("https://example.org/1",),
    )
    assert held.control
    assert not standalone.control
    assert (arithmetic.title, arithmetic.group) == ("arithmetic", "others")


def test_an_underscore_in_a_name_is_a_dash_in_the_id(folder: Path) -> None:
    write(folder, {"test_more.py": 'def test_two_words():\n    """Does\n    it work?"""\n'})
    assert {probe.id: probe.question for probe in probe_files.read(folder)}["two-words"] == "Does it work?"


def test_the_source_of_a_probe_is_shown_with_its_mark(folder: Path) -> None:
    held = probe_files.read(folder)[0]
    assert held.source.startswith('@pytest.mark.probe(title="Held Value"')
    assert held.source.endswith("subject_api.expected())\n")


def test_a_changed_probe_is_a_new_question_and_no_other_is(folder: Path) -> None:
    text = PROBES["test_value.py"].replace("companion.add(1, 2) == 3", "companion.add(2, 2) == 4")
    assert changed(folder, "test_value.py", text) == {"arithmetic"}


def test_a_changed_helper_makes_every_question_new(folder: Path) -> None:
    assert changed(folder, "subject_api.py", PROBES["subject_api.py"] + "\nmore = 1\n") == set(digests(folder))


def test_what_stands_beside_the_probes_of_a_file_belongs_to_them_all_and_to_no_other_file(folder: Path) -> None:
    write(folder, {"test_other.py": 'def test_other():\n    """Another?"""\n'})
    text = PROBES["test_value.py"].replace("import subject_api\n", "import subject_api\nSTEPS = 10\n")
    assert changed(folder, "test_value.py", text) == {"held", "standalone", "arithmetic"}


def test_a_changed_recipe_makes_its_probes_question_new(folder: Path) -> None:
    write(folder, {"recipes/held.py": "value = 1\n", "recipes/held-too.py": "value = 1\n"})
    assert changed(folder, "recipes/held.form.py", "value = 2\n") == {"held"}
    assert changed(folder, "recipes/held-too.py", "value = 3\n") == set()
    held = next(probe for probe in probe_files.read(folder) if probe.id == "held")
    assert held.recipes == {"held.form.py": "value = 2\n", "held.py": "value = 1\n"}


def test_a_new_file_makes_no_old_question_new(folder: Path) -> None:
    assert changed(folder, "test_new.py", 'def test_new():\n    """New?"""\n') == {"new"}


def test_defect_a_probe_added_to_a_file_made_the_questions_beside_it_new(folder: Path) -> None:
    """The blank lines around it counted as source of the others."""
    text = PROBES["test_value.py"] + '\n\ndef test_new():\n    """New?"""\n'
    assert changed(folder, "test_value.py", text) == {"new"}


def test_defect_a_docstring_a_comment_or_a_title_made_every_answer_stale(folder: Path) -> None:
    """Digests covered bytes. Only code that decides what a run observes may make a recorded answer stale."""
    write(folder, {"recipes/held.form.py": '"""Recipe."""\nvalue = 1\n'})
    helper = '"""Other words."""\n' + PROBES["subject_api.py"].partition('"""\n')[2] + "\n# a comment\n"
    assert changed(folder, "subject_api.py", helper) == set()
    text = PROBES["test_value.py"].replace('title="Held Value"', 'title="A Value, held"')
    assert text != PROBES["test_value.py"]
    assert changed(folder, "test_value.py", text) == set()
    assert changed(folder, "test_value.py", text.replace("def test_held", "# why\n\n\ndef test_held")) == set()
    assert changed(folder, "recipes/held.form.py", "value   =   1  # one\n") == set()
    assert changed(folder, "recipes/held.form.py", "value = 2\n") == {"held"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ('x = "1"', 'x = b"1"'),
        ("x = f(a)", "x = f(*a)"),
        ("x = f(a=1)", "x = f(b=1)"),
        ("def f(a): return a", "def f(a, /): return a"),
        ("def f():\n    'words'", "def f():\n    return 'words'"),
        ("x = [1]", "x = (1,)"),
        ("x = not a", "x = -a"),
        ("x = a is None", "x = a is not None"),
        ('x = f"{a!r}"', 'x = f"{a}"'),
        ("x = a[1:]", "x = a[:1]"),
        ("x = {1: None}", "x = {**None}"),
    ],
)
def test_code_that_differs_has_another_digest(one: str, other: str) -> None:
    assert syntax_tree.tree_digest(ast.parse(one)) != syntax_tree.tree_digest(ast.parse(other))


def test_layout_comments_and_docstrings_are_no_part_of_a_digest() -> None:
    one = 'def f(a):\n    """Words."""\n    return (a\n            + 1)\n'
    other = "def f( a ):  # a comment\n    return a + 1\n"
    assert syntax_tree.tree_digest(ast.parse(one)) == syntax_tree.tree_digest(ast.parse(other))


def test_reading_runs_nothing(folder: Path) -> None:
    write(folder, {"test_new.py": 'raise SystemExit("ran")\n\ndef test_new():\n    """New?"""\n'})
    assert "new" in digests(folder)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("test_bad.py", "def test_bad(:\n", "test_bad.py:1: is no valid Python"),
        ("test_bad.py", "\ndef test_bad():\n    pass\n", "test_bad.py:2: test_bad has no docstring"),
        ("test_bad.py", 'def test_held():\n    """Again?"""\n', "'held' stands in"),
        (
            "test_bad.py",
            'import pytest\n@pytest.mark.probe(title=1 + x)\ndef test_bad():\n    """Bad?"""\n',
            "test_bad.py:2: the arguments of pytest.mark.probe must be literals",
        ),
        (
            "test_bad.py",
            'import pytest\n@pytest.mark.probe(needs=("gone",))\ndef test_bad():\n    """Bad?"""\n',
            "'bad' needs 'gone', which is no probe",
        ),
    ],
)
def test_a_wrong_probe_is_named_with_its_place(folder: Path, name: str, text: str, said: str) -> None:
    write(folder, {name: text})
    with pytest.raises(UserError, match=r"^.*test_bad\.py") as caught:
        probe_files.read(folder)
    assert said in str(caught.value)


def test_no_probes_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no probe"):
        probe_files.read(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        probe_files.read(tmp_path / "gone")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("class TestMine:\n    pass\n", "a probe is a plain function, not a method"),
        (
            'import unittest\nclass Mine(unittest.TestCase):\n    def test_mine(self):\n        """Mine?"""\n',
            "test_mine.py:2: Mine: a probe is a plain function, not a method",
        ),
        (
            'if True:\n    def test_mine():\n        """Mine?"""\n',
            "test_mine.py:2: test_mine: a probe stands in no block",
        ),
        (
            'from pytest import mark\n\n\n@mark.skip\ndef test_mine():\n    """Mine?"""\n',
            r"test_mine.py:4: .* call pytest.skip\(\)",
        ),
        ('async def test_mine():\n    """Mine?"""\n', "not an async one"),
        (
            "import pytest\npytestmark = pytest.mark.parametrize('x', [1])\n",
            "test_mine.py:2: .* must stand as a decorator",
        ),
        (
            "import pytest\n\n\n@pytest.fixture(params=[1])\ndef x():\n    pass\n",
            "test_mine.py:4: a fixture with parameters",
        ),
        (
            'import pytest\n\n\n@pytest.mark.skipif(True, reason="no")\ndef test_mine():\n    """Mine?"""\n',
            r"test_mine.py:4: .* call pytest.skip\(\)",
        ),
        (
            'import pytest\n\npytestmark = pytest.mark.skip\n\n\ndef test_mine():\n    """Mine?"""\n',
            "test_mine.py:3: ",
        ),
        (
            'import pytest\n\n\n@pytest.mark.probe(titel="Mine")\ndef test_mine():\n    """Mine?"""\n',
            "knows title, group, links, control, needs; not 'titel'",
        ),
    ],
)
def test_what_pytest_would_run_and_nobody_would_see_is_an_error(folder: Path, text: str, problem: str) -> None:
    write(folder, {"test_mine.py": text})
    with pytest.raises(UserError, match=problem):
        probe_files.read(folder)


def test_a_helper_that_is_no_python_is_an_error_and_no_finding(folder: Path) -> None:
    write(folder, {"subject_api.py": "def broken(:\n"})
    with pytest.raises(UserError, match=r"subject_api.py:1: is no valid Python"):
        probe_files.read(folder)


@pytest.mark.parametrize("source", ['f"{x:{w}}"', 'f"{x!r:>{w}}"', 'f"{x:>{w}}{y}"'])
def test_defect_a_nested_format_specification_had_another_digest_in_python_3_12(source: str) -> None:
    """Its syntax tree ends with an empty constant there."""
    tree = ast.parse(source)
    padded = ast.parse(source)
    for node in ast.walk(padded):
        if isinstance(node, ast.JoinedStr):
            node.values.append(ast.Constant(""))
    assert syntax_tree.tree_digest(padded) == syntax_tree.tree_digest(tree)


def test_defect_a_changed_check_left_every_answer_as_it_was(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest of a probe covers the code that judges, which is the engine's."""
    before = digests(folder)
    harness = tmp_path_factory.mktemp("engine") / probe_files.HARNESS.name
    harness.write_text(probe_files.HARNESS.read_text(encoding="utf-8") + "\nmore = 1\n", encoding="utf-8")
    monkeypatch.setattr(probe_files, "HARNESS", harness)
    assert not digests(folder).items() & before.items()


def cases(arguments: str, function: str = "test_add") -> str:
    return f'import pytest\n\n\n@pytest.mark.parametrize({arguments})\ndef {function}(x):\n    """Does it add?"""\n'


def test_each_case_of_literal_parameters_is_a_probe(folder: Path) -> None:
    write(folder, {"test_new.py": cases("('x', 'y'), [(1, 'a b'), pytest.param(None, 2.5, id='last')]")})
    first, last = (probe for probe in probe_files.read(folder) if probe.file == "test_new.py")
    assert (first.id, first.node, first.question) == ("add-1-a-b", "test_add[1-a b]", "Does it add? (x=1, y='a b')")
    assert (last.id, last.node, last.title) == ("add-last", "test_add[last]", "add [last]")


def test_a_case_that_is_added_leaves_the_others_as_they_are(folder: Path) -> None:
    write(folder, {"test_new.py": cases("'x', [1, 2]")})
    assert changed(folder, "test_new.py", cases("'x', [0, 1, 2]")) == {"add-0"}
    assert changed(folder, "test_new.py", cases("'x', [0, 1, 3], ids=['0', '1', '2']")) == {"add-2"}


@pytest.mark.parametrize(
    "arguments",
    [
        "'x', range(3)",
        "'x', [1, 1]",
        "'x', []",
        "'x', [[1]]",
        "'x', [NAME]",
        "'x', ['a[b]']",
        "'x', [pytest.param(1, marks=())]",
        "'x, y', [(1, 2, 3)]",
        "'x', [1, 2], ids=str",
        "'x'",
    ],
)
def test_parameters_that_cannot_be_read_are_an_error_with_its_place(folder: Path, arguments: str) -> None:
    write(folder, {"test_new.py": cases(arguments)})
    with pytest.raises(UserError, match=r"test_new.py:4: test_add: parameters are read from the source"):
        probe_files.read(folder)


def test_defect_an_object_of_the_parser_was_named_in_the_place_of_the_parameter(folder: Path) -> None:
    write(folder, {"test_new.py": cases("'x', [1, NAMES[0]]")})
    with pytest.raises(UserError, match=r"so literals only, in a list: NAMES\[0\] is none$"):
        probe_files.read(folder)


@pytest.mark.parametrize("name", ["mark.parametrize", "pt.mark.parametrize", "m.parametrize"])
def test_defect_parameters_by_another_name_of_pytest_crashed_every_cell(folder: Path, name: str) -> None:
    """The cases were taken for one probe, which no cell had an answer of."""
    write(folder, {"test_new.py": cases("'x', [1, 2]").replace("pytest.mark.parametrize", name)})
    assert {probe.id for probe in probe_files.read(folder)} >= {"add-1", "add-2"}


def test_defect_a_change_of_a_helper_in_a_folder_left_old_answers_valid(folder: Path) -> None:
    """Only the modules beside the probes were looked at."""
    assert changed(folder, "lib/numbers.py", "EXPECTED = 3\n") == set(digests(folder))
    assert changed(folder, "lib/numbers.py", "EXPECTED = 4\n") == set(digests(folder))
    assert changed(folder, "lib/numbers.py", '"""Numbers."""\n\nEXPECTED = 4  # four\n') == set()


@pytest.mark.parametrize("statement", ["from test_value import subject_api", "import test_value"])
def test_defect_a_change_of_a_helper_in_another_file_of_probes_left_old_answers_valid(
    folder: Path, statement: str
) -> None:
    write(folder, {"test_more.py": f'{statement}\n\n\ndef test_more():\n    """Does it?"""\n'})
    with pytest.raises(UserError, match=r"test_more\.py:1: what several files of probes use must stand in a module"):
        probe_files.read(folder)


def test_defect_a_file_of_probes_in_a_folder_was_passed_over_in_silence(folder: Path) -> None:
    write(folder, {"more/test_more.py": 'def test_more():\n    """Does it?"""\n'})
    with pytest.raises(UserError, match=r"more/test_more\.py: a file of probes stands in"):
        probe_files.read(folder)


def test_other_variables_make_new_questions(folder: Path) -> None:
    """An answer under other variables may be another."""
    plain, one, other = (
        {probe.digest for probe in probe_files.read(folder, variables)} for variables in ({}, {"A": "1"}, {"A": "2"})
    )
    assert not plain & one
    assert not one & other
