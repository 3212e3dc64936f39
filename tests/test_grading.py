"""Assignments are made from the exercises, and no submission gets points but by right answers."""

import csv
import json
import os
import re
import shutil
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from vae_course.commands.solutions import read_solutions
from vae_course.exercises import CHAPTERS, EXERCISES, NotRightError, checking, require
from vae_course.exercises.checking import examine
from vae_course.grading.collect import LayoutError, Submission, cleaned, collected, submissions
from vae_course.grading.messages import (
    NonsenseError,
    answer_in,
    decoded,
    encoded,
    packed,
    plain,
    unpacked,
)
from vae_course.grading.release import GRADED, SETUP, exercise_of, name_of, source_notebooks
from vae_course.grading.sandbox import NoSandboxError, require_sandbox
from vae_course.grading.session import Limits, LostError, Session

pytest.importorskip("nbgrader", reason="the extra `grade` is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what nbgrader and its data base say about themselves
    from nbgrader.nbgraderformat import MetadataValidator

    from vae_course.grading import assignment, grade
    from vae_course.grading.gradebook import Gradebook
    from vae_course.grading.judge import judge

ROOT = Path(__file__).parents[1]
VARIED = [exercise for exercise in EXERCISES.values() if exercise.vary]
SEEDS = range(6)
FIRST = [exercise for exercise in GRADED.values() if exercise.id[0] == "1"]


def can_lock_in() -> bool:
    try:
        require_sandbox()
    except NoSandboxError:
        return False
    return True


needs_sandbox = pytest.mark.skipif(not can_lock_in(), reason="grading needs Linux with Landlock")


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Gradebook:
    """The instructor's folder, with the course's own assignment and variant 7."""
    root = tmp_path_factory.mktemp("course")
    for options in ([], ["--seed", "7"]):
        assert assignment.main([*options, "--course", str(root)]) == 0
    return Gradebook(root)


# --- variants -------------------------------------------------------------------------------------


def each_varied():
    return pytest.mark.parametrize("exercise", VARIED, ids=lambda exercise: exercise.id)


def test_the_exercises_with_numbers_vary():
    numbers = {each.id for each in GRADED.values() if each.kind in ("number", "tensor")}
    assert numbers <= {each.id for each in VARIED}
    for each in EXERCISES.values():
        assert each.variant(None) is each  # the course's own numbers


@each_varied()
def test_a_seed_gives_other_numbers_and_the_same_ones_again(exercise):
    asked = [exercise.variant(seed).markdown for seed in SEEDS]
    assert asked == [exercise.variant(seed).markdown for seed in SEEDS]
    assert len({exercise.markdown, *asked}) >= 4
    assert {exercise.variant(seed).id for seed in SEEDS} == {exercise.id}


@each_varied()
def test_the_answers_of_other_variants_are_named_as_what_they_are(exercise):
    for variant in (exercise.variant(seed) for seed in SEEDS):
        for mistake in variant.mistakes:
            line = examine(variant, mistake.answer).text
            assert f"This looks like {mistake.diagnosis}. Hint: {mistake.hint}" in line


@pytest.mark.parametrize("id", ["2.2", "3.3", "4.2", "6.3"])
def test_an_answer_cannot_be_handed_on_to_another_variant(id):
    names = {"torch": torch}
    exec(read_solutions(f"0{id[0]}")[id], names)
    answer = names[EXERCISES[id].name]
    assert examine(EXERCISES[id], answer).status == "right"
    for seed in SEEDS:
        assert examine(EXERCISES[id].variant(seed), answer).status == "not yet"


def test_a_seed_of_inputs_gives_the_same_verdict_again():
    lines = {examine(EXERCISES["1.1"], lambda z, mean, std: z, seed=3).text for _ in range(3)}
    assert len(lines) == 1


def test_require_raises_unless_the_answer_is_right(capsys):
    key = EXERCISES["6.3"].variant(7).oracle()
    assert require("6.3", key, seed=7) is None
    assert "Exercise 6.3: right." in capsys.readouterr().out
    for answer in (..., 84.0 if key != 84.0 else 1.0):
        with pytest.raises(NotRightError, match=r"Exercise 6\.3: not "):
            require("6.3", answer, seed=7)


def test_what_the_instructors_page_says_is_so():
    page = " ".join((ROOT / "instructors" / "grading.md").read_text(encoding="utf-8").split())
    limits = Limits()
    for claim in (
        f"{len(GRADED)} exercises, one point each",
        f"{limits.seconds_per_cell:g} s for a cell, {checking.SECONDS:g} s for a function",
        f"{limits.seconds} s for a notebook",
        f"{limits.memory / 1024**3:g} GiB beyond what",
        f"{limits.file / 1e6:g} MB a file, {limits.folder / 1e6:g} MB and {limits.files} files",
    ):
        assert claim in page, claim
    copying = page[page.index("**Copying.**") :]
    named = re.findall(r"\d\.\d", copying[: copying.index("3.1 has one answer")])
    assert sorted(named) == [exercise.id for exercise in VARIED]


# --- the assignment -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exercises", "exercises-7"])
def test_the_release_is_in_nbgraders_form(course, name):
    seed = course.facts(name).seed
    released = course.released(name)
    graded = []
    for notebook in released.values():
        nbformat.validate(notebook)
        MetadataValidator().validate_nb(notebook)
        text = {name_of(cell): cell for cell in notebook.cells}
        for cell in filter(exercise_of, notebook.cells):
            exercise = EXERCISES[exercise_of(cell)].variant(seed)
            graded.append(exercise.id)
            place = exercise.id.replace(".", "-")
            assert text[f"statement-{place}"].source == exercise.markdown
            assert text[f"solution-{place}"].source == exercise.stub
            assert text[f"solution-{place}"].metadata.nbgrader.solution
            assert cell.metadata.nbgrader.points == 1
            for locked in (text[f"statement-{place}"], cell, text["setup"]):
                assert locked.metadata.nbgrader.locked
                assert locked.metadata.editable is False
    assert graded == list(GRADED)
    assert len(released) == len(CHAPTERS)


def test_what_is_handed_out_holds_neither_secret_nor_key(course):
    kept = json.loads((course.root / "instructor" / "exercises-7.json").read_text())
    assert kept["key"]["6.3"] == EXERCISES["6.3"].variant(7).oracle()
    for path in (course.root / "release").rglob("*"):
        if path.is_file():
            assert path.suffix == ".ipynb"
            text = path.read_text(encoding="utf-8")
            for secret in (kept["secret"], kept["key"]["3.3"], kept["key"]["6.3"]):
                assert str(secret) not in text


def test_an_assignment_that_is_made_again_keeps_its_secret(course):
    before = course.facts("exercises-7"), course.released("exercises-7")
    assert assignment.main(["--seed", "7", "--course", str(course.root)]) == 0
    assert (course.facts("exercises-7"), course.released("exercises-7")) == before


def test_an_invalid_seed_is_reported(capsys):
    for text in ("-1", "seven", "1.5", "²"):
        with pytest.raises(SystemExit):
            assignment.main([f"--seed={text}"])
        assert "is not a whole number from 0 to" in capsys.readouterr().err


# --- what was handed in ---------------------------------------------------------------------------


def handed_in(root: Path, student: str, name: str, notebooks: dict) -> Submission:
    folder = root / student / name
    folder.mkdir(parents=True)
    for stem, notebook in notebooks.items():
        nbformat.write(notebook, folder / f"{stem}.ipynb")
    return Submission(student, name, folder)


def filled_in(notebook, answers: dict[str, str], before: str = ""):
    """Return a released notebook with code for some exercises, and a first cell of its own."""
    notebook = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in notebook.cells:
        kind, _, place = (name_of(cell) or "").partition("-")
        if kind == "solution" and place.replace("-", ".") in answers:
            cell.source = answers[place.replace("-", ".")]
    if before:
        notebook.cells.insert(2, nbformat.v4.new_code_cell(before))
    return notebook


def test_a_submission_is_cleaned_and_the_changes_are_reported():
    release = source_notebooks(None)["01_vae_math"]
    notebook = filled_in(release, {"1.2": "def my_draw(mean, std, eps):\n    return mean"})
    cells = {name_of(cell): cell for cell in notebook.cells}
    cells["test-1-1"].source = "pass"
    cells["test-1-2"].outputs = [nbformat.v4.new_output("stream", text="right")]
    cells["test-1-2"].metadata.nbgrader.points = 100
    notebook.cells.remove(cells["test-1-3"])
    notebook.cells.append(json.loads(json.dumps(cells["solution-1-2"])))
    notebook.cells.append(nbformat.v4.new_code_cell("own = 1", metadata={"nbgrader": 3}))
    clean, remarks = cleaned(nbformat.from_dict(notebook), release)
    assert remarks == [
        "the locked cell test-1-1 was edited and has been put back",
        "a second cell solution-1-2 was taken for one of the student's own",
        "the cell test-1-3 was missing and has been put back",
    ]
    MetadataValidator().validate_nb(clean)
    names = [name_of(cell) for cell in clean.cells]
    assert sorted(filter(None, names)) == sorted(name_of(cell) for cell in release.cells)
    assert names.count(None) == 2
    points = [c.metadata.nbgrader.points for c in clean.cells if exercise_of(c)]
    assert points == [1, 1, 1]
    assert not any(cell.get("outputs") for cell in clean.cells)


def test_files_that_are_no_notebooks_count_as_not_handed_in(course, tmp_path):
    released = course.released("exercises")
    submission = handed_in(tmp_path, "ada", "exercises", {})
    folder = submission.folder
    (folder / "01_vae_math.ipynb").write_text("no JSON")
    (folder / "02_training.ipynb").write_text("[" * 100_000)
    if os.name != "nt":  # where a link needs privileges
        source = course.root / "source" / "exercises" / "03_encoding.ipynb"
        (folder / source.name).symlink_to(source)
    (folder / "04_retrieval.ipynb").write_text('{"cells": [], "nbformat": 4}')
    (folder / "05_which_rule (1).ipynb").write_text("{}")
    (folder / "timestamp.txt").write_text("2026-11-25 12:00:00 UTC")
    nbformat.write(nbformat.v4.new_notebook(), folder / "06_scaling.ipynb")
    notebooks, remarks = collected(submission, released)
    assert notebooks == released
    assert remarks == [
        "01_vae_math: not a notebook (NotJSONError)",
        "02_training: not a notebook (RecursionError)",
        "03_encoding: not handed in",
        "04_retrieval: not a notebook (ValidationError)",
        "05_which_rule: not handed in",
        "06_scaling: it holds no cell of the assignment",
        "not part of the assignment: 05_which_rule (1).ipynb",
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "There is nothing in "),
        ("ada/01_vae_math.ipynb", "expected a folder with an assignment's name, exercises"),
        ("ada/homework/01_vae_math.ipynb", "expected a folder with an assignment's name"),
        ("01_vae_math.ipynb", "expected a folder with a student's name"),
        ("=1+1/exercises/01_vae_math.ipynb", "expected a folder with a student's name"),
    ],
)
def test_a_folder_with_another_layout_is_reported(
    course, tmp_path, capsys, monkeypatch, path, message
):
    monkeypatch.setattr(grade, "require_session", lambda: None)
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    if path:
        (tmp_path / path).touch()
    assert grade.main([str(tmp_path), "--course", str(course.root)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "The layout of submissions is FOLDER/STUDENT/ASSIGNMENT/NOTEBOOK.ipynb" in error


def test_a_missing_folder_and_a_missing_assignment_are_reported(
    course, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(grade, "require_session", lambda: None)
    assert grade.main([str(tmp_path / "x"), "--course", str(course.root)]) == 1
    assert "There is no folder" in capsys.readouterr().err
    assert grade.main([str(tmp_path), "--course", str(tmp_path / "x")]) == 1
    assert "create one with `course.py assignment`" in capsys.readouterr().err
    with pytest.raises(LayoutError):
        submissions(tmp_path, [])


def test_where_nothing_can_be_locked_in_nothing_is_run(course, tmp_path, capsys, monkeypatch):
    def refuse():
        raise NoSandboxError("it is Darwin on arm64")

    monkeypatch.setattr(grade, "require_session", refuse)
    assert grade.main([str(tmp_path), "--course", str(course.root)]) == 1
    error = capsys.readouterr().err
    assert "this machine cannot confine a submission: it is Darwin on arm64." in error
    assert "Linux 5.13" in error


# --- messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argument",
    [
        torch.randn(3, 2, dtype=torch.float64),
        torch.tensor([1, 2]),
        torch.tensor([True]),
        torch.empty(0),
        np.random.default_rng(0).normal(size=(2, 2)),
        np.array([1, 2]),
        *(3, 0.1, 4.0),
    ],
)
def test_arguments_arrive_as_they_were_sent(argument):
    got = unpacked(decoded(encoded(packed(argument))))
    assert type(got) is type(argument)
    assert getattr(got, "dtype", None) == getattr(argument, "dtype", None)
    assert np.array_equal(np.asarray(got), np.asarray(argument))


def test_answers_arrive_as_data():
    for answer in (1, 0.5, "mean", None, True, [1.0, [2.0, 3.0]], ...):
        assert answer_in(decoded(encoded(plain(answer)))) == answer
    for answer in (torch.tensor([1.0, 2.0]), np.array([1, 2]), (1, 2), range(1, 3)):
        assert answer_in(decoded(encoded(plain(answer)))) == [1, 2]
    assert type(answer_in(plain({1: 2}))).__name__ == "dict"
    assert "function" in plain(print)


@pytest.mark.parametrize("line", [b"", b"x", b"[1]", b"[" * 100_000, b"\xff", b"9" * 9_999])
def test_nonsense_is_refused(line):
    with pytest.raises(NonsenseError):
        decoded(line)


# --- hostile submissions --------------------------------------------------------------------------

SOLUTIONS = read_solutions("01")
PATCHES = """
import builtins, sys
import numpy as np
import torch
import vae_course.exercises as exercises

yes = lambda *arguments, **options: True
exercises.check = exercises.require = require = check = yes
torch.allclose = torch.equal = np.allclose = np.array_equal = np.isclose = yes
torch.Tensor.__eq__ = yes
builtins.all = yes
for name, module in list(sys.modules.items()):
    if "grading" in name or name == "__main__":
        module.told = module.examine = module.judge = yes
"""
OUTSIDE = {
    "a fork": ("import os; os.fork()", "PermissionError"),
    "a program": ("import subprocess; subprocess.run(['true'])", "PermissionError"),
    "a program in its place": ("import os; os.execv('/bin/true', ['true'])", "PermissionError"),
    "a write": ("open({victim!r}, 'w')", "PermissionError"),
    "a new file": ("open({victim!r} + '.new', 'w')", "PermissionError"),
    "a removal": ("import os; os.remove({victim!r})", "PermissionError"),
    "a rename": ("import os; open('a', 'w'); os.replace('a', {victim!r})", "PermissionError"),
    "a mode": ("import os; os.chmod({victim!r}, 0)", "PermissionError"),
    "an owner": ("import os; os.chown({victim!r}, 1, 1)", "PermissionError"),
    "a privilege of root": ("import os; os.chroot('.')", "PermissionError"),
    "a time": ("import os; os.utime({victim!r}, (0, 0))", "PermissionError"),
    "a truncation": ("import os; os.truncate({victim!r}, 0)", "PermissionError"),
    "a link": ("import os; os.symlink({victim!r}, 'link')", "PermissionError"),
    "a look at others": ("open({victim!r}).read()", "PermissionError"),
    "a look at the solutions": ("open({root!r} + '/solutions/01.py').read()", "PermissionError"),
    "a look at the oracle": ("import vae_course.exercises.chapter_01", "ModuleNotFoundError"),
    "a look at its file": (
        "open({root!r} + '/vae_course/exercises/chapter_01.py').read()",
        "PermissionError",
    ),
    "the grader's memory": (
        "import os; open(f'/proc/{{os.getppid()}}/mem', 'rb')",
        "PermissionError",
    ),
    "a signal": ("import os; os.kill(os.getppid(), 9)", "PermissionError"),
    "a signal by way of a file": (
        "import fcntl, os; fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid())",
        "PermissionError",
    ),
    "a choice of that signal": (
        "import fcntl, os; fcntl.fcntl(os.pipe()[0], fcntl.F_SETSIG, 9)",
        "PermissionError",
    ),
    "a signal by way of a socket": (
        "import fcntl, os, socket, struct\n"
        "fcntl.ioctl(socket.socketpair()[0], 0x8901, struct.pack('i', os.getppid()))",
        "PermissionError",
    ),
    "space beyond the end of a file": (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "fallocate, size = libc.fallocate64, ctypes.c_int64(30_000_000)\n"
        "if fallocate(os.open('own', os.O_CREAT | os.O_RDWR), 1, ctypes.c_int64(0), size):\n"
        "    raise OSError(ctypes.get_errno(), 'fallocate')",
        "PermissionError",
    ),
    "notes of other folders": (
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.inotify_init() < 0:\n"
        "    raise OSError(ctypes.get_errno(), 'inotify_init')",
        "PermissionError",
    ),
    "its limits": (
        "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "PermissionError",
    ),
    "the network": ("import socket; socket.create_connection(('127.0.0.1', 9))", "PermissionError"),
    "memory": ("x = bytearray(4_000_000_000)", "MemoryError"),
    "memory in torch": ("x = torch.ones(1_000_000_000)", "RuntimeError"),
    "shared memory": ("import mmap; x = mmap.mmap(-1, 4_000_000_000)", "OSError"),
    "a large file": ("open('large', 'wb').write(bytes(30_000_000))", "OSError"),
    "sys.exit": ("import sys; sys.exit(0)", "SystemExit"),
    "an error": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
}


@needs_sandbox
@pytest.mark.slow
def test_what_a_submission_tries_outside_its_folder_fails_and_earns_nothing(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    before = victim.stat()
    tried = [code.format(victim=str(victim), root=str(ROOT)) for code, _ in OUTSIDE.values()]
    cells = [SETUP, *tried, "open('own', 'w').write('allowed')", PATCHES, SOLUTIONS["1.2"]]
    cells += ["def my_kl(mean, std):\n    return mean.sum(1)"]
    judgement = judge(cells, FIRST, secret=5)
    after = victim.stat()
    assert victim.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [victim]
    assert (after.st_mode, after.st_mtime) == (before.st_mode, before.st_mtime)
    for number, (name, (_, error)) in enumerate(OUTSIDE.items(), start=2):
        raised = [line for line in judgement.remarks if line.startswith(f"cell {number} raised ")]
        assert [line.split()[3].rstrip(":") for line in raised] == [error], name
    assert len(judgement.remarks) == len(OUTSIDE)
    status = {id: verdict.status for id, verdict in judgement.verdicts.items()}
    assert status == {"1.1": "not tried yet", "1.2": "right", "1.3": "not yet"}


ENDINGS = {
    "os._exit": ("import os; os._exit(0)", "ended its process (exit status 0)"),
    "an endless loop": ("while True: pass", "was still running at its time limit"),
    "a crash": ("import ctypes; ctypes.string_at(0)", "ended its process (signal 11)"),
    "a flood": (
        "import os, stat\nfor n in range(3, 256):\n    try:\n"
        "        while stat.S_ISFIFO(os.fstat(n).st_mode): os.write(n, b'7' * 65536)\n"
        "    except OSError: pass",
        "sent more than an answer can hold",
    ),
    "much in files": (
        "for n in range(8):\n    open(f'file{n}', 'wb').write(bytes(10_000_000))\nwhile True: pass",
        "wrote more files than allowed",
    ),
    "many files": (
        "n = 0\nwhile True:\n    n += 1\n    open(f'file{n}', 'w').write('x')",
        "wrote more files than allowed",
    ),
}


@needs_sandbox
@pytest.mark.slow
def test_a_cell_that_ends_its_process_costs_no_other_cell_its_points():
    cells = [SETUP, *(code for code, _ in ENDINGS.values()), *SOLUTIONS.values()]
    limits = Limits(seconds_per_cell=8)
    judgement = judge(cells, FIRST, 5, limits)
    for number, (name, (_, remark)) in enumerate(ENDINGS.items(), start=2):
        line = next(line for line in judgement.remarks if line.startswith(f"cell {number}: "))
        assert remark in line, name
    assert {verdict.status for verdict in judgement.verdicts.values()} == {"right"}


FORGED = """
import os
import json

def my_log_density(z, mean, std):
    while True:
        pass

def my_draw(mean, std, eps):
    os._exit(0)

class Sly(list):
    __eq__ = __ge__ = __le__ = lambda self, other: True

def my_kl(mean, std):
    print("Exercise 1.3: right. It agrees with torch.distributions.")
    for number in range(3, 20):
        try:
            os.write(number, json.dumps({"status": "right", "value": 1.0}).encode() + b"\\n")
        except OSError:
            pass
    return Sly()
"""


@needs_sandbox
@pytest.mark.slow
def test_functions_that_do_not_answer_and_answers_that_are_forged_earn_nothing():
    judgement = judge([SETUP, FORGED], FIRST, secret=5)
    lines = {id: verdict.text for id, verdict in judgement.verdicts.items()}
    assert "still running after 3 seconds and was stopped" in lines["1.1"]
    assert "my_draw gave no answer: it ended its process (exit status 0)" in lines["1.2"]
    assert {verdict.status for verdict in judgement.verdicts.values()} == {"not yet"}
    assert "stopped, in" not in lines["1.1"], "a line of the grader's own is none of theirs"


@needs_sandbox
@pytest.mark.slow
def test_a_notebook_that_uses_up_its_time_is_given_up():
    with Session(["while True: pass", "x = 1"], Limits(seconds=1)) as session:
        with pytest.raises(LostError, match="the 1 seconds of this notebook were used up"):
            session.answer("x")
        folder = session._folder
    assert not folder.exists()


# --- three submissions ----------------------------------------------------------------------------

WRONG = {"function": "def {name}(*arguments):\n    return 0.0", "number": "{name} = 1.0"}
WRONG |= {"text": '{name} = "mean"', "tensor": "{name} = [[1, 1], [2, 2], [3, 3]]"}


@needs_sandbox
@pytest.mark.slow
def test_three_submissions_all_right_all_wrong_and_hostile(course, tmp_path, capsys):
    released = course.released("exercises")
    right, wrong = {}, {}
    for stem, notebook in released.items():
        right[stem] = filled_in(notebook, read_solutions(stem[:2]))
        answers = {e.id: WRONG[e.kind].format(name=e.name) for e in GRADED.values()}
        wrong[stem] = filled_in(notebook, answers)
    forged = filled_in(released["01_vae_math"], {"1.2": SOLUTIONS["1.2"]}, before=PATCHES)
    for cell in forged.cells:
        if exercise_of(cell):
            cell.source = "print('Exercise: right.')"
            cell.outputs = [nbformat.v4.new_output("stream", text="Exercise: right.")]
    folder = tmp_path / "in"
    handed_in(folder, "ada", "exercises", right)
    handed_in(folder, "bob", "exercises", wrong)
    handed_in(folder, "eve", "exercises", {"01_vae_math": forged})
    command = [str(folder), "--course", str(course.root), "--csv", str(tmp_path / "grades.csv")]
    assert grade.main(command) == 0
    assert "ada, exercises: 17 of 17" in capsys.readouterr().out
    with (tmp_path / "grades.csv").open() as file:
        ada, bob, eve = csv.DictReader(file)
    assert (ada["student"], ada["assignment"]) == ("ada", "exercises")
    assert [ada[id] for id in GRADED] == ["1"] * 17
    assert (ada["score"], ada["max_score"], ada["remarks"]) == ("17", "17", "")
    assert [bob[id] for id in GRADED] == ["0"] * 17
    assert (bob["score"], bob["remarks"]) == ("0", "")
    assert [id for id in GRADED if eve[id] != "0"] == ["1.2"]
    assert (
        "01_vae_math: the locked cell test-1-1 was edited and has been put back" in eve["remarks"]
    )
    assert "06_scaling: not handed in" in eve["remarks"]
    graded = nbformat.read(course.root / "autograded/eve/exercises/01_vae_math.ipynb", as_version=4)
    tests = {exercise_of(cell): cell for cell in graded.cells if exercise_of(cell)}
    assert tests["1.1"].source == 'require("1.1", my_log_density)'
    assert "not tried yet" in tests["1.1"].outputs[0].evalue
    assert "Exercise 1.2: right." in tests["1.2"].outputs[0].text

    shutil.rmtree(folder / "ada")  # graded again, the others have what they had
    shutil.rmtree(folder / "bob")
    assert grade.main(command) == 0
    with (tmp_path / "grades.csv").open() as file:
        assert list(csv.DictReader(file)) == [eve]


@needs_sandbox
@pytest.mark.slow
def test_a_variant_is_graded_by_its_own_numbers(course, tmp_path):
    key = json.loads((course.root / "instructor" / "exercises-7.json").read_text())["key"]
    released = course.released("exercises-7")
    own = filled_in(released["03_encoding"], {"3.3": f"my_user_length = {key['3.3']}"})
    other = filled_in(released["06_scaling"], {"6.3": read_solutions("06")["6.3"]})
    handed_in(tmp_path, "dan", "exercises-7", {"03_encoding": own, "06_scaling": other})
    table = tmp_path.parent / "grades-7.csv"
    assert grade.main([str(tmp_path), "--course", str(course.root), "--csv", str(table)]) == 0
    with table.open() as file:
        (dan,) = csv.DictReader(file)
    assert [id for id in GRADED if dan[id] != "0"] == ["3.3"]


def test_an_interrupted_grading_leaves_the_old_table(course, tmp_path, monkeypatch):
    handed_in(tmp_path / "in", "ada", "exercises", {})
    table = tmp_path / "grades.csv"
    table.write_text("old")

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(grade, "require_session", lambda: None)
    monkeypatch.setattr(grade, "grade", interrupted)
    command = [str(tmp_path / "in"), "--course", str(course.root), "--csv", str(table)]
    with pytest.raises(KeyboardInterrupt):
        grade.main(command)
    assert table.read_text() == "old"
