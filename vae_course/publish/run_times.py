"""How long each notebook computes, section by section: for the instructors' guide.

Measured, never typed. It is the CPU time of the kernel, since the clock on the wall says more of
what else the machine had to do; one core that does nothing else needs about as long.
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
    """Return what a reader has to know of the machine."""
    return f"{platform.system()}, {cpu_name()}, {os.cpu_count()} cores, torch {version('torch')}"


def section_of_each_cell(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the heading, of the second level, that each cell stands under."""
    found, current = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                current = line[3:] if line.startswith("## ") else current
        found.append(current)
    return found


def with_clock(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook with a look at the clock after each cell of code."""
    clocked = nbformat.v4.new_notebook(metadata=notebook.metadata)
    for cell in notebook.cells:
        clocked.cells.append(cell)
        if cell.cell_type == "code":
            clocked.cells.append(nbformat.v4.new_code_cell(CLOCK))
    return clocked


def measure(path: Path) -> dict:
    """Run a notebook from a fresh kernel; return its CPU seconds, in all and in each section.

    The start of Python and the imports count for the section of the first cell.
    """
    notebook = with_clock(nbformat.read(path, as_version=4))
    place = {"metadata": {"path": str(path.parent)}}
    os.environ["OMP_NUM_THREADS"] = "1"  # for the kernel: threads that wait would count as well
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
    """Return what was measured, by the notebook's stem."""
    return json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}


def store(path: Path, times: dict) -> None:
    """Put one notebook's times beside those of the others."""
    everything = dict(sorted({**load(), path.stem: times}.items()))
    text = json.dumps(everything, indent=1, ensure_ascii=False)
    write_text_atomically(MEASURED, text + "\n")
