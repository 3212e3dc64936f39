"""Everything that a person can move, type into or press, in its place."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from vae_lib.explorer.controls import EchoProofSlider
from vae_lib.explorer.scale import AS_Z, Scale
from vae_lib.explorer.state import ROW_RULES, z_to_text

DIGITS = 3  # in the boxes beside the sliders; z itself is kept exactly
SLIDER_DIGITS = 9  # a slider means 0.05 where the front end computes 0.04999999999999982
HERE = Path(__file__).parent
COPY = (
    "navigator.clipboard.writeText("
    "this.closest('.vae-explorer').querySelector('[data-z]').dataset.z).then(() => {"
    "this.textContent = 'Copied';"  # not where the browser refused
    "setTimeout(() => this.textContent = 'Copy z', 1500)})"
)
TICKS = {  # a Checkbox shows no tooltip beside its description, so accessible.js sets these
    "likelihood": "rank by log q(z|x), the largest first",
    "euclidean": "rank by the distance from z to μ, whatever σ is",
    "mahalanobis": "rank by the distance in units of each garment's own σ",
    "scaled-euclidean": "rank by the distance in units of one σ for each dimension",
    "round trip": "decode z, encode the picture, and rank by likelihood there",
    "gate": "by likelihood at z where a garment is near, else after a round trip",
    "percentiles": "sliders from 0 to 100: how much of a standard normal lies below",
}


@dataclass(frozen=True)
class Calls:
    """What to call when a person does something."""

    moved: Callable[[int, float], None]  # a slider or a box: dimension, new place on the scale
    typed: Callable[[str], None]  # all numbers of z at once
    garment: Callable[[str], None]  # a garment's number
    rules: Callable[[list[str]], None]  # the rules ticked
    percentiles: Callable[[bool], None]
    buttons: dict[str, tuple[Callable[[], None], str]]  # by name: the action, and what it does


class Panel:
    """The controls. Its own changes to them, in `show`, call nobody back."""

    def __init__(self, kl_per_dimension: Sequence[float], unused: Sequence[bool], calls: Calls):
        """Take what the encoder says of each dimension: KL in nats, and whether it is dead."""
        self._calls = calls
        self._showing = False
        self._scale = AS_Z
        dimensions = range(len(unused))
        self.sliders = [self._slider(j, kl_per_dimension[j], unused[j]) for j in dimensions]
        self.entries = [self._entry(j) for j in dimensions]
        self.picture = widgets.Image(format="png").add_class("vae-picture")
        self.message = widgets.HTML().add_class("vae-message")
        self.buttons = {name: self._button(name, *what) for name, what in calls.buttons.items()}
        self.z_box = self._text("z", "all numbers of z at once", calls.typed)
        self.garment_box = self._text("garment", "number, Enter", calls.garment)
        self.rule_boxes = {rule: self._tick(rule, self._ticked) for rule in ROW_RULES}
        self.percentile_box = self._tick("percentiles", calls.percentiles)
        # the dimensions that say most come first: down the left column, then the right one
        order = sorted(dimensions, key=lambda j: -kl_per_dimension[j])
        self.view = widgets.Box([self._slider_columns(order), self.picture, self._below()])
        self.view.add_class("vae-top")

    def show(self, z: Sequence[float], scale: Scale, rules: Iterable[str]) -> None:
        """Set every control to where it belongs; what stands there already is not sent again."""
        self._showing = True
        for j, (value, slider, entry) in enumerate(zip(z, self.sliders, self.entries, strict=True)):
            if scale is not self._scale:
                slider.rescale(self._scale, scale, scale.nearest(value))
                entry.description = f"z{j + 1} {scale.unit}"
            elif abs(slider.value - scale.nearest(value)) > 10**-SLIDER_DIGITS:
                slider.place(scale.nearest(value))
            entry.value = round(scale.place(value), DIGITS)
            (slider.remove_class if scale.holds(value) else slider.add_class)("vae-outside")
        self._scale = scale
        self.z_box.value = z_to_text(z)
        self.percentile_box.value = scale.percentiles
        for rule, box in self.rule_boxes.items():
            box.value = rule in rules
        self._showing = False

    def say(self, message: str) -> None:
        """Show a sentence under the controls, or nothing."""
        self.message.value = escape(message)

    def _calling(self, call: Callable[..., None], *first: object) -> Callable[[dict], None]:
        def changed(change: dict) -> None:
            if not self._showing:
                call(*first, change["new"])

        return changed

    def _slider(self, j: int, kl: float, unused: bool) -> EchoProofSlider:
        says = "unused: the encoder says nothing in it" if unused else f"{kl:.2f} nats of KL"
        slider = EchoProofSlider(
            min=AS_Z.low,
            max=AS_Z.high,
            step=AS_Z.step,
            description=f"z{j + 1} unused" if unused else f"z{j + 1}",
            tooltip=f"z{j + 1}: {says}",
            readout=False,
            style={"description_width": "5.5em" if unused else "3.6em"},
        )
        if unused:
            slider.add_class("vae-unused")
        slider.observe(self._calling(self._slid, j), names="value")
        return slider

    def _slid(self, j: int, place: float) -> None:
        self._calls.moved(j, round(place, SLIDER_DIGITS))

    def _entry(self, j: int) -> widgets.FloatText:
        entry = widgets.FloatText(description=f"z{j + 1} {AS_Z.unit}")
        entry.observe(self._calling(self._calls.moved, j), names="value")
        return entry

    def _button(self, name: str, action: Callable[[], None], tooltip: str) -> widgets.Button:
        button = widgets.Button(description=name, tooltip=tooltip)
        button.on_click(lambda _: action())
        return button

    def _text(self, name: str, tooltip: str, call: Callable[[str], None]) -> widgets.Text:
        text = widgets.Text(
            description=name,
            placeholder=tooltip,
            tooltip=tooltip,
            continuous_update=False,
            style={"description_width": "auto"},
        )
        text.observe(self._calling(call), names="value")
        return text

    def _tick(self, name: str, call: Callable[[Any], None]) -> widgets.Checkbox:
        box = widgets.Checkbox(description=name, indent=False)
        box.observe(self._calling(call), names="value")
        return box

    def _ticked(self, _: bool) -> None:
        self._calls.rules([rule for rule, box in self.rule_boxes.items() if box.value])

    def _slider_columns(self, order: Sequence[int]) -> widgets.Widget:
        lines = [widgets.HBox([self.sliders[j], self.entries[j]]) for j in order]
        grid = widgets.GridBox([line.add_class("vae-line") for line in lines])
        grid.layout.grid_auto_flow = "column"
        grid.layout.grid_template_rows = f"repeat({(len(lines) + 1) // 2}, auto)"
        grid.layout.grid_template_columns = "minmax(0, 1fr) minmax(0, 1fr)"
        return grid.add_class("vae-sliders")

    def _below(self) -> widgets.Widget:
        # the browser itself copies: only there may a page write to the clipboard
        copy = widgets.HTML(
            f'<button class="jupyter-widgets jupyter-button" onclick="{escape(COPY)}" '
            'title="copy all numbers of z, exactly">Copy z</button>'
        )
        buttons = [*self.buttons.values(), copy]
        ticks = [widgets.Label("Rows:"), *self.rule_boxes.values()]
        boxes = [self.z_box, self.garment_box.add_class("vae-garment"), self.percentile_box]
        lines = [widgets.HBox(row).add_class("vae-wrap") for row in (buttons, boxes, ticks)]
        return widgets.VBox([*lines, self.message]).add_class("vae-panel")


def looks() -> widgets.HTML:
    """Return the widget that holds the style sheet, and a script for what ipywidgets lacks."""
    css = (HERE / "explorer.css").read_text(encoding="utf-8")
    script = (HERE / "accessible.js").read_text(encoding="utf-8")
    ticks = escape(json.dumps(TICKS))
    html = f'<style data-ticks="{ticks}" onload="{escape(script)}">{css}</style>'
    return widgets.HTML(html).add_class("vae-style")
