"""A pytest plugin for `course.py test`: notebooks as tests, for several data sets in one run.

The folder of a notebook says how it is tested: `strict-fashion-mnist` compares the text of every
output on Fashion-MNIST, `lax-drawn` only runs every cell, on drawn garments. All tests share one
pool of workers, and the files that take longest start first.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from nbval.plugin import IPyNbFile

MODES = ("strict", "lax")


class Notebook(IPyNbFile):
    """A notebook whose kernel uses the data set that its folder names."""

    def __init__(self, **arguments: Any):
        super().__init__(**arguments)
        mode, _, self.source = self.path.parent.name.partition("-")
        self.compare_outputs = mode == "strict"

    def setup(self) -> None:
        """Start the kernel."""
        variables = {"VAE_LIB_IMAGES": self.source}
        if self.source == "drawn":  # as on a machine without the data set
            variables["VAE_LIB_DATA"] = str(self.path.parent / "no-data")
        with mock.patch.dict(os.environ, variables):
            super().setup()

    def teardown(self) -> None:
        """Let the kernel end by itself, so that it can write what was measured in it."""
        if self.kernel is not None and self.kernel.is_alive():
            self.kernel.kc.stop_channels()
            self.kernel.km.shutdown_kernel()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.File | None:
    if file_path.suffix == ".ipynb" and file_path.parent.name.startswith(MODES):
        return Notebook.from_parent(parent, path=file_path)
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put notebooks first, then files with slow tests: a long file at the end would run alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.suffix != ".ipynb", item.path not in slow))


def folder_name(source: str, *, strict: bool) -> str:
    """Return the folder in which notebooks are tested on a data set."""
    return f"{'strict' if strict else 'lax'}-{source}"


def copy_notebooks(paths: Iterable[Path], folder: Path) -> None:
    """Copy notebooks into a new folder, where the files that they write do no harm."""
    folder.mkdir(parents=True)
    for path in paths:
        (folder / path.name).write_bytes(path.read_bytes())
