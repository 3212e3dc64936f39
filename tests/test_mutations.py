"""The list of mutants, and the judge that decides whether tests notice one."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from vae_course.quality.mutations import (
    MUTANTS,
    Mutant,
    MutantError,
    Verdict,
    load_mutants,
    mutated,
    table,
)

ROOT = Path(__file__).parents[1]
TEST = """\
import vae_lib

def test_double():
    assert vae_lib.double(2) == 4
"""
on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="mutants are judged where stored outputs can be compared"
)
MAKE = """\
import json, sys
from pathlib import Path
from vae_course.quality.mutations import Mutant, MutantError, examine

mutants = [Mutant(*each) for each in json.loads(sys.argv[2])]
try:
    verdicts = examine(Path(sys.argv[1]), mutants)
    print("\\n" + json.dumps([verdict[:4] for verdict in verdicts]))
except MutantError as error:
    print("\\n" + json.dumps(str(error)))
"""


def test_mutants_are_many_and_cover_notebooks_and_the_explorer():
    mutants = load_mutants()
    rows = tomllib.loads(MUTANTS.read_text(encoding="utf-8"))["mutant"]
    assert len(mutants) == len(rows) >= 40  # no two have the same name
    assert sum("notebooks" in m.file or "explorer" in m.file for m in mutants.values()) >= 8


def test_a_mutant_that_cannot_be_applied_is_an_error():
    for old, new, message in (
        ("triple", "double", "found 0 times in vae_lib"),
        ("x", "y", "found 2 times in vae_lib"),
        ("return", "retrun", "is not valid Python"),
    ):
        with pytest.raises(MutantError, match=message):
            mutated(Mutant("wrong", "vae_lib", old, new, ()), "def double(x): return 2 * x")


def test_a_notebook_with_a_magic_in_another_cell_can_be_mutated():
    cells = [nbformat.v4.new_code_cell(source) for source in ("%pip install x", "print(2 * 3)")]
    text = nbformat.writes(nbformat.v4.new_notebook(cells=cells))
    result = mutated(Mutant("sum", "notebooks/1.ipynb", "2 * 3", "2 + 3", ()), text)
    sources = [cell.source for cell in nbformat.reads(result, as_version=4).cells]
    assert sources == ["%pip install x", "print(2 + 3)"]


@pytest.fixture
def course(tmp_path):
    """A course with one function, one test and one notebook."""
    for folder in ("vae_lib", "tests", "vae_course/quality", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    for file in (
        "vae_course/__init__.py",
        "vae_course/quality/__init__.py",
        "vae_course/quality/outcomes.py",
    ):
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "vae_lib" / "__init__.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "tests" / "test_double.py").write_text(TEST)
    output = nbformat.v4.new_output("stream", name="stdout", text="6\n")
    cell = nbformat.v4.new_code_cell("import vae_lib\n\nprint(vae_lib.double(3))")
    cell.update(execution_count=1, outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks" / "1.ipynb")
    return tmp_path


def verdicts_of(course: Path, *mutants: Mutant):
    """Return (name, file, verdict, test) of each mutant, or the error; in a process of its own."""
    command = [sys.executable, "-c", MAKE, str(course), json.dumps(mutants)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def in_library(name: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, "vae_lib/__init__.py", "return 2 * x", new, tests)


@on_linux
@pytest.mark.slow
def test_a_mutant_is_dead_if_an_assertion_or_an_output_notices_it(course):
    before = {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}
    test, notebook = "tests/test_double.py::test_double", "notebooks/1.ipynb"
    found = verdicts_of(
        course,
        in_library("other", "return 3 * x", test),
        in_library("same for 2", "return x * x", test),
        in_library("breaks down", "return x['a']", test),
        in_library("cannot be imported", "return x\nimport nothing_of_that_name", test),
        in_library("same for 2, different for 3", "return x * x", notebook),
        in_library("breaks down in a notebook", "raise KeyError", notebook),
        in_library("asserts in a notebook", "assert x > 9", notebook),
        Mutant("another cell", notebook, "double(3)", "double(4)", (notebook,)),
    )
    assert [(name, verdict) for name, _, verdict, _ in found] == [
        ("other", "dead"),
        ("same for 2", "SURVIVED"),
        ("breaks down", "ERROR"),
        ("cannot be imported", "ERROR"),
        ("same for 2, different for 3", "dead"),
        ("breaks down in a notebook", "ERROR"),
        ("asserts in a notebook", "dead"),
        ("another cell", "dead"),
    ]
    assert found[0][3] == test
    assert found[-1][3] == f"{notebook}::Cell 0"
    assert {path: path.read_bytes() for path in course.rglob("*") if path.is_file()} == before


@on_linux
@pytest.mark.slow
@pytest.mark.parametrize(
    "body", ["assert vae_lib.double(2) == 5", "import pytest; pytest.skip('not here')"]
)
def test_tests_that_fail_or_are_skipped_without_a_mutant_are_an_error(course, body):
    path = course / "tests" / "test_double.py"
    path.write_text(TEST.replace("assert vae_lib.double(2) == 4", body))
    mutant = in_library("other", "return 3 * x", "tests/test_double.py::test_double")
    assert "some tests do not pass on the unchanged code" in verdicts_of(course, mutant)


def test_the_report_names_survivors():
    text = table(
        [
            Verdict("a", "a.py", "dead", "test_a", "AssertionError: 1", 1.0),
            Verdict("b", "b.py", "SURVIVED", "test_b", "", 1.0),
            Verdict("c", "c.py", "ERROR", "test_c", "KeyError: 'c'", 1.0),
        ]
    )
    assert "| b | b.py | SURVIVED | test_b |" in text
    assert "| c | c.py | ERROR | test_c: KeyError: 'c' |" in text
    assert "1 of 3 mutants are dead; survived: b; by an error: c." in text
