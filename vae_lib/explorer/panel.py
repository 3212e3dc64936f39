"""The controls of the explorer and their layout."""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from operator import methodcaller
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from vae_lib.explorer.controls import EchoProofSlider
from vae_lib.explorer.scale import AS_Z, Scale
from vae_lib.explorer.state import DIGITS, ROW_RULES, z_for_the_eye
from vae_lib.figures import RULE_COLORS
from vae_lib.rules import RULES

SLIDER_DIGITS = 9  # the front end computes 0.04999999999999982 for a slider at 0.05
STRONGEST = 16  # sliders that are always shown; a button shows the others
HERE = Path(__file__).parent
TICKS = {  # a Checkbox shows no tooltip beside its description, so explorer.js sets these
    **{name: rule.summary for name, rule in RULES.items()},
    "percentiles": "Sliders from 0 to 100: how much of a standard normal lies below.",
    "numbers": "Show the numbers behind near and far.",
}
DISAGREE = "Draw a z for which likelihood and Euclidean distance share few garments."
CERTAIN = "Draw a z far from every garment whose winner has p near 100 %."
HELP = "Point at a control, or move the focus to it, to read here what it does."


# in groups: each button's name, what it calls of the explorer, and what it does
BUTTONS = {
    "Draw": [
        ("From the prior", methodcaller("draw_from_prior"), "Draw z from the prior, N(0, I)."),
        (
            "From a posterior",
            methodcaller("draw_from_posterior"),
            "Draw z from a garment's q(z|x).",
        ),
        ("Uniform", methodcaller("draw_uniformly"), "Draw every slider's place uniformly."),
        ("A garment's z", methodcaller("garment_z"), "Go to the μ of a random garment."),
        ("The rules disagree", methodcaller("make_rules_disagree"), DISAGREE),
        ("Far but certain", methodcaller("go_far_but_certain"), CERTAIN),
    ],
    "Change": [
        ("Round trip", methodcaller("go_round"), "Decode z, encode the picture, go to its μ."),
        ("Reset", methodcaller("reset"), "Set z = 0."),
        ("Undo", methodcaller("undo"), "Go back to the z before the last change."),
        ("Pin A", methodcaller("pin", "A"), "Pin this z as A, to compare it with B."),
        ("Pin B", methodcaller("pin", "B"), "Pin this z as B, and walk from A to B."),
    ],
}


class Panel:
    """The controls. Changes that `show` makes to them cause no callback."""

    def __init__(self, explorer: Any, kl_per_dimension: list[float], unused: list[bool]):
        """Build the controls.

        Args:
            explorer: whose methods are called when a person does something.
            kl_per_dimension: the KL of each dimension, in nats.
            unused: which dimensions are dead.
        """
        self._showing = False
        self._scale = AS_Z
        self._moved = explorer.slider_moved
        dimensions = range(len(unused))
        self.sliders = [self._slider(j, kl_per_dimension[j], unused[j]) for j in dimensions]
        self.entries = [self._entry(j) for j in dimensions]
        self.picture = widgets.Image(format="png").add_class("vae-picture")
        self.status = widgets.HTML().add_class("vae-status")
        self.message = widgets.HTML().add_class("vae-message")
        self.reading = widgets.HTML().add_class("vae-reading")
        self.buttons = {
            name: self._button(name, partial(call, explorer), tooltip)
            for group in BUTTONS.values()
            for name, call, tooltip in group
        }
        self.z_box = self._text("z", "All numbers of z at once, Enter.", explorer.z_typed)
        garment_help = "A garment's number, Enter."
        self.garment_box = self._text("garment", garment_help, explorer.garment_typed)
        self.upload = self._upload(explorer.file_uploaded)
        ticked = partial(self._rules_ticked, explorer.rules_ticked)
        self.rule_boxes = {rule: self._tick(rule, ticked) for rule in ROW_RULES}
        self.percentile_box = self._tick("percentiles", partial(setattr, explorer, "percentiles"))
        self.number_box = self._tick("numbers", self._numbers_ticked)
        # the dimensions with the largest KL come first: down the left column, then the right one
        self.order = sorted(dimensions, key=lambda j: -kl_per_dimension[j])
        show = widgets.HBox([self.number_box, self.percentile_box]).add_class("vae-wrap")
        side = widgets.VBox([self.picture, widgets.VBox([self.status, show])])
        parts = [self._sliders_in_order(), side.add_class("vae-side"), self._below()]
        self.view = widgets.Box(parts)
        self.view.add_class("vae-top")
        self._strength = {f"z{j + 1}": kl_per_dimension[j] for j in dimensions}

    def show(self, z: Sequence[float], scale: Scale, rules: Iterable[str]) -> None:
        """Set every control to the current state; values that are unchanged are not sent again."""
        self._showing = True
        for j, (value, slider, entry) in enumerate(zip(z, self.sliders, self.entries, strict=True)):
            if scale is not self._scale:
                slider.rescale(self._scale, scale, scale.nearest(value))
                entry.description = f"z{j + 1} {scale.unit}"
            elif abs(slider.value - scale.nearest(value)) > 10**-SLIDER_DIGITS:
                slider.place(scale.nearest(value))
            entry.value = round(scale.place(value), DIGITS)
            (slider.remove_class if scale.holds(value) else slider.add_class)("vae-outside")
        if scale is not self._scale:
            (self.view.add_class if scale.percentiles else self.view.remove_class)("vae-percent")
        self._scale = scale
        self.z_box.value = z_for_the_eye(z)
        self.percentile_box.value = scale.percentiles
        for rule, box in self.rule_boxes.items():
            box.value = rule in rules
        self._showing = False

    def say(self, message: str) -> None:
        """Show a sentence under the controls, or nothing."""
        self.message.value = escape(message)

    def looks(self) -> widgets.HTML:
        """Return the widget with the style sheet, and with a script that extends ipywidgets."""
        css = (HERE / "explorer.css").read_text(encoding="utf-8")
        script = (HERE / "explorer.js").read_text(encoding="utf-8")
        most = max(*self._strength.values(), 1e-9)
        facts = {
            "ticks": TICKS,
            "colors": RULE_COLORS,
            "strength": {name: round(kl / most, 3) for name, kl in self._strength.items()},
        }
        html = f'<style data-facts="{escape(json.dumps(facts))}" onload="{escape(script)}">{css}'
        return widgets.HTML(f"{html}</style>").add_class("vae-style")

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
            tooltip=f"z{j + 1}: {says}.",
            readout=False,
            style={"description_width": "6.5em" if unused else "3em"},
        )
        if unused:
            slider.add_class("vae-unused")
        slider.observe(self._calling(self._slid, j), names="value")
        return slider

    def _slid(self, j: int, place: float) -> None:
        self._moved(j, round(place, SLIDER_DIGITS))

    def _entry(self, j: int) -> widgets.FloatText:
        entry = widgets.FloatText(description=f"z{j + 1} {AS_Z.unit}")
        entry.observe(self._calling(self._moved, j), names="value")
        return entry

    def _button(self, name: str, action: Callable[[], None], tooltip: str) -> widgets.Button:
        button = widgets.Button(description=name, tooltip=tooltip)
        button.on_click(lambda _: action())
        return button

    def _text(self, name: str, tooltip: str, call: Callable[[str], None]) -> widgets.Text:
        text = widgets.Text(
            description=name,
            placeholder="number",
            tooltip=tooltip,
            continuous_update=False,
            style={"description_width": "auto"},
        )
        text.observe(self._calling(call), names="value")
        return text

    def _upload(self, call: Callable[[bytes], None]) -> widgets.FileUpload:
        upload = widgets.FileUpload(
            accept="image/*",
            description="Ask with a picture",
            tooltip="Encode a picture of your own, and go to its μ.",
        )

        def uploaded(change: dict) -> None:
            if change["new"]:
                call(bytes(change["new"][-1]["content"]))
                upload.value = ()  # so that the same file can be sent again

        upload.observe(uploaded, names="value")
        return upload

    def _tick(self, name: str, call: Callable[[Any], None]) -> widgets.Checkbox:
        box = widgets.Checkbox(description=name, indent=False)
        box.observe(self._calling(call), names="value")
        return box

    def _rules_ticked(self, call: Callable[[list[str]], None], _: bool) -> None:
        call([rule for rule, box in self.rule_boxes.items() if box.value])

    def _numbers_ticked(self, shown: bool) -> None:
        (self.view.add_class if shown else self.view.remove_class)("vae-with-numbers")

    def _sliders_in_order(self) -> widgets.Widget:
        head = widgets.HTML("Strongest first: the bar is the KL that the encoder spends on it")
        strong, weak = self.order[:STRONGEST], self.order[STRONGEST:]
        parts = [head.add_class("vae-head"), self._grid(strong)]
        if weak:
            more = widgets.Button(description=f"Show {len(weak)} weaker dimensions")
            box = widgets.VBox().add_class("vae-weak")

            def toggle(_: widgets.Button) -> None:
                box.children = () if box.children else (self._grid(weak),)
                word = "Hide" if box.children else "Show"
                more.description = f"{word} {len(weak)} weaker dimensions"

            more.on_click(toggle)
            parts += [more, box]
        return widgets.VBox(parts).add_class("vae-sliders")

    def _grid(self, order: Sequence[int]) -> widgets.Widget:
        lines = [widgets.HBox([self.sliders[j], self.entries[j]]) for j in order]
        half = (len(lines) + 1) // 2
        for number, line in enumerate(lines):
            line.add_class("vae-line")
            if number in (0, half):
                line.add_class("vae-ends")  # the scale's ends stand above each column
        grid = widgets.GridBox(lines)
        grid.layout.grid_auto_flow = "column"
        grid.layout.grid_template_rows = f"repeat({half}, auto)"
        return grid.add_class("vae-grid")

    def _below(self) -> widgets.Widget:
        # the browser itself copies, since only there a page may write to the clipboard
        copy = widgets.HTML(
            '<button type="button" class="jupyter-widgets jupyter-button vae-copy" '
            'title="Copy all numbers of z, exactly.">Copy z</button>'
        )
        rows = []
        for group, members in BUTTONS.items():
            rows.append([widgets.Label(group), *(self.buttons[name] for name, *_ in members)])
        rows[-1].append(copy)
        rows.append(
            [self.z_box.add_class("vae-z"), self.garment_box.add_class("vae-garment"), self.upload]
        )
        rows.append([widgets.Label("Rows"), *self.rule_boxes.values()])
        lines = [widgets.HBox(row).add_class("vae-wrap") for row in rows]
        hint = widgets.HTML(HELP).add_class("vae-help")
        says = widgets.HBox([self.reading, self.message]).add_class("vae-says")
        return widgets.VBox([*lines, hint, says]).add_class("vae-panel")
