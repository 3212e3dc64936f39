"""Measure the run time of each section of a notebook, for the instructors' guide.

We measure the CPU time of the kernel, because the elapsed time also depends on the machine's other
work. On an idle core the two are about equal.
"""

import itertools
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from vae_course.commands.notebooks import FOLDER
from vae_course.quality.machine import cpu_name
from vae_lib._files import write_text_atomically

MEASURED = FOLDER.parent / "instructors" / "run_times.json"
CLOCK = "print(__import__('time').process_time())"  # leaves no name behind in the notebook


def machine() -> str:
    """Describe the machine on which the times were measured."""
    torch = version("torch").split("+")[0]  # without the local part, as in 2.13.0+cpu
    return f"{platform.system()}, {cpu_name()}, {os.cpu_count()} cores, torch {torch}"


def section_of_each_cell(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the second-level heading above each cell of a notebook."""
    found, current = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                current = line[3:] if line.startswith("## ") else current
        found.append(current)
    return found


def with_clock(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy of a notebook that prints the CPU time after each code cell."""
    clocked = nbformat.v4.new_notebook(metadata=notebook.metadata)
    for cell in notebook.cells:
        clocked.cells.append(cell)
        if cell.cell_type == "code":
            clocked.cells.append(nbformat.v4.new_code_cell(CLOCK))
    return clocked


def measure(path: Path) -> dict:
    """Run a notebook in a new kernel and measure its CPU time.

    The start of Python and the imports count towards the section of the first cell.

    Args:
        path: the notebook.

    Returns:
        The machine, the total in seconds, and the seconds of each section.
    """
    notebook = with_clock(nbformat.read(path, as_version=4))
    place = {"metadata": {"path": str(path.parent)}}
    os.environ["OMP_NUM_THREADS"] = "1"  # for the kernel, because waiting threads use CPU time
    NotebookClient(notebook, timeout=600, resources=place).execute()
    places = section_of_each_cell(notebook)
    readings = [
        (section, float(cell.outputs[0].text))
        for section, cell in zip(places, notebook.cells, strict=True)
        if cell.source == CLOCK
    ]
    sections: dict[str, float] = {}
    for (_, before), (section, now) in itertools.pairwise([("", 0.0), *readings]):
        sections[section] = sections.get(section, 0) + now - before
    rounded = {section: round(seconds, 1) for section, seconds in sections.items()}
    return {"machine": machine(), "total": round(readings[-1][1], 1), "sections": rounded}


def load() -> dict[str, dict]:
    """Return the stored run times by the name of the notebook, without its suffix."""
    return json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}


def store(path: Path, times: dict) -> None:
    """Store the run times of one notebook and keep those of the others."""
    everything = dict(sorted({**load(), path.stem: times}.items()))
    text = json.dumps(everything, indent=1, ensure_ascii=False)
    write_text_atomically(MEASURED, text + "\n")
