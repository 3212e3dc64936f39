"""A figure with sliders, which is redrawn when they move and stored as a static picture."""

import base64
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from vae_lib.figures import png_bytes


class LiveFigure(widgets.VBox):
    """Sliders above a figure, and below it a sentence that describes it.

    Without a kernel, readers see the stored figure, with the sentence as its alt text.

    Args:
        controls: for each argument of `draw` and `describe`, the widget whose `value` it takes.
        draw: returns the figure for those values.
        describe: returns what the figure shows for those values, in one or two sentences.
    """

    def __init__(
        self,
        controls: Mapping[str, widgets.ValueWidget],
        draw: Callable[..., Figure],
        describe: Callable[..., str],
    ):
        self.controls = dict(controls)
        self._draw, self._describe = draw, describe
        self._picture = widgets.Image(format="png")
        self._sentence = widgets.HTML()
        super().__init__([*self.controls.values(), self._picture, self._sentence])
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()

    @property
    def sentence(self) -> str:
        """What the figure shows now."""
        return self._describe(**{name: each.value for name, each in self.controls.items()})

    def _redraw(self, _: object = None) -> None:
        values = {name: each.value for name, each in self.controls.items()}
        self._picture.value = png_bytes(self._draw(**values))
        self._sentence.value = escape(self.sentence)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        data = super()._repr_mimebundle_(**options)
        data["text/plain"] = f"Figure with sliders: {self.sentence}"
        data["image/png"] = base64.b64encode(self._picture.value).decode()
        return data, {"image/png": {"alt": self.sentence}}


def slider(description: str, value: float, low: float, high: float) -> widgets.FloatSlider:
    """Return a slider with its name in full, in steps of 0.1."""
    return widgets.FloatSlider(
        value, min=low, max=high, step=0.1, description=description,
        style={"description_width": "8em"}, layout={"width": "30em"},
    )  # fmt: skip


def choice(description: str, options: Mapping[str, Any], value: Any) -> widgets.SelectionSlider:
    """Return a slider over a few named values."""
    return widgets.SelectionSlider(
        options=list(options.items()), value=value, description=description,
        style={"description_width": "8em"}, layout={"width": "30em"},
    )  # fmt: skip
