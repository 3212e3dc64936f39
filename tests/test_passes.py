"""The passes over the notebooks: each mode notices what it promises to notice."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest

from vae_course.commands.notebook_tests import write_notebooks
from vae_course.commands.notebooks import notebook_paths
from vae_course.commands.solutions import read_solutions
from vae_course.commands.test import NBVAL, notebooks_of, slowest_files

ROOT = Path(__file__).parents[1]
CHECK = """\
def check(name, answer):
    class Answer:
        def __repr__(self):
            return f"Exercise {name}: {answer}"
    return Answer()
"""


EXPECTED = {
    "strict": [True, False, False, False, False],  # the outputs of the checks are not stored
    "lax": [True, True, True, True, False],
    "solved": [True, True, True, False, False],
}


def test_the_second_pass_leaves_out_only_repetitions():
    assert notebooks_of("strict-fashion-mnist") == notebook_paths()
    second = notebooks_of("solved-drawn")
    for path in notebook_paths():
        text = path.read_text(encoding="utf-8")
        depends = "load_images" in text or "load_pretrained" in text
        assert (path in second) == (bool(read_solutions(path.name[:2])) or depends), path
    assert "07_your_own_wardrobe" not in [path.stem for path in second]


@pytest.mark.slow
def test_each_mode_detects_what_it_promises(tmp_path):
    printed = nbformat.v4.new_output("stream", name="stdout", text="another text\n")
    sources = {
        CHECK: [],
        "import os; print(os.environ['VAE_LIB_IMAGES'])": [printed],
        'check("1.1", "right. Well done")': [],
        'check("1.2", "this looks like σ²")': [],
        "assert False": [],
    }
    cells = [
        nbformat.v4.new_code_cell(code, outputs=outputs, execution_count=1)
        for code, outputs in sources.items()
    ]
    for mode in EXPECTED:
        folder = tmp_path / f"{mode}-drawn"
        write_notebooks([], folder)
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "00_mine.ipynb")
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "vae_course.commands.notebook_tests"]
    command += [*NBVAL, f"--rootdir={tmp_path}", f"--junitxml={report}", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    found = {mode: [] for mode in EXPECTED}
    for case in ElementTree.parse(report).iter("testcase"):
        mode = case.get("classname").split("-")[0]
        found[mode].append(case.find("failure") is None)
    assert found == EXPECTED
    assert "s  strict-drawn.00_mine" in slowest_files(report)
