"""A progress bar that ends as one line, the same in every run, so that notebooks can store it."""

import sys
from typing import Any

from tqdm.std import tqdm


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    instance = shell.get_ipython() if shell else None
    return instance is not None and "IPKernelApp" in instance.config


class _NotebookBar(tqdm):
    """A tqdm bar that replaces its text in place in a notebook's output.

    It begins and ends as the same line, without times, so that the stored output is the same in
    every run. A widget would not work when the notebook is opened again.
    """

    disable: bool

    def __init__(self, **options: Any):
        from IPython.display import display

        self._shown = ""
        stable = f"{options['desc']}: {options['total']} {options['unit']}s done"
        self._stable = {"text/plain": stable}
        self._output = display(self._stable, raw=True, display_id=True)
        super().__init__(**options)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        text = str(self) if msg is None else msg
        if text and text != self._shown:
            self._shown = text
            self._output.update({"text/plain": text}, raw=True)
        return True

    def close(self) -> None:
        if not self.disable:
            finished = self.total is not None and self.n >= self.total
            stopped = f"{self.desc}stopped after {self.n} of {self.total} {self.unit}s"
            self._output.update(self._stable if finished else {"text/plain": stopped}, raw=True)
            self.disable = True


def progress_bar(*, description: str, total: int, unit: str, shown: bool = True) -> tqdm:
    """Return a tqdm bar with the time left; the caller calls its `update` after each step.

    Args:
        description: the text in front of the bar.
        total: the number of steps.
        unit: what a step is, in the singular.
        shown: False shows nothing.
    """
    options: dict[str, Any] = {"desc": description, "total": total, "unit": unit}
    if shown and _in_notebook():
        return _NotebookBar(ncols=90, **options)
    return tqdm(disable=not shown, file=sys.stdout, **options)
