"""A pytest plugin for `course.py test`: notebooks as tests, for several data sets in one run.

The folder of a notebook says how it is tested, `strict-fashion-mnist` for example: the mode, then
the data set. All tests share one pool of workers, and the files that take longest start first.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from vae_course.commands.solutions import failures, solved

MODES = {
    "strict": "every cell runs, and the text of its outputs is the stored one",
    "lax": "every cell runs",
    "solved": "every cell runs with the exercises solved, and every check says so",
}


class Cell(IPyNbCell):
    """A cell of a notebook; in a solved notebook, each check must accept its answer."""

    def runtest(self) -> None:
        """Run the cell."""
        super().runtest()
        if self.parent.mode == "solved":
            self.cell.outputs = self.test_outputs
            assert failures(nbformat.v4.new_notebook(cells=[self.cell])) == []


class Notebook(IPyNbFile):
    """A notebook whose kernel uses the data set that its folder names."""

    def __init__(self, **arguments: Any):
        super().__init__(**arguments)
        self.mode, _, self.source = self.path.parent.name.partition("-")
        self.compare_outputs = self.mode == "strict"

    def collect(self) -> Iterator[Cell]:
        """Yield the code cells."""
        for cell in super().collect():
            parts = {name: getattr(cell, name) for name in ("cell_num", "cell", "options")}
            yield Cell.from_parent(self, name=cell.name, **parts)

    def setup(self) -> None:
        """Start the kernel."""
        variables = {"VAE_LIB_IMAGES": self.source}
        if self.source == "drawn":  # as on a machine without the data set
            variables["VAE_LIB_DATA"] = str(self.path.parent / "no-data")
        with mock.patch.dict(os.environ, variables):
            super().setup()

    def teardown(self) -> None:
        """Shut the kernel down without killing it, so that it can write its coverage data."""
        if self.kernel is not None and self.kernel.is_alive():
            self.kernel.kc.stop_channels()
            self.kernel.km.shutdown_kernel()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.File | None:
    if file_path.suffix == ".ipynb" and file_path.parent.name.split("-")[0] in MODES:
        return Notebook.from_parent(parent, path=file_path)
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put notebooks and files with slow tests first, so that none runs on one worker at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.suffix != ".ipynb", item.path not in slow))


def write_notebooks(paths: Iterable[Path], folder: Path) -> None:
    """Write the notebooks to test into a new folder, in which they may create files.

    Args:
        paths: the notebooks.
        folder: named after the mode and the data set.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in paths:
        if folder.name.startswith("solved"):
            nbformat.write(solved(path), folder / path.name)
        else:
            shutil.copy(path, folder)
