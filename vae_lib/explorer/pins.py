"""Two codes pinned side by side, and a walk from one to the other."""

from collections.abc import Callable
from html import escape

import ipywidgets as widgets
import torch
from torch import Tensor

from vae_lib.explorer.rows import ROW_NAMES, rule_color
from vae_lib.explorer.state import Answer
from vae_lib.explorer.thumbnails import Thumbnails, data_uri, picture_png

FIRST = 4  # garments of each row on a card


class Pins:
    """Cards for A and B, and between them a slider from one to the other."""

    def __init__(self, pictures: Thumbnails, go: Callable[[list[float]], None]):
        """Take the training pictures, and a function to call with each z of the walk."""
        self._pictures, self._go = pictures, go
        self._z: dict[str, Tensor] = {}
        self.cards = {name: widgets.HTML().add_class("vae-card") for name in "AB"}
        self.walk = widgets.FloatSlider(
            min=0,
            max=1,
            step=0.02,
            readout=False,
            description="A to B",
            tooltip="Walk on a straight line from A to B.",
            style={"description_width": "4em"},
        )
        self.walk.observe(self._walked, names="value")
        self.view = widgets.HBox([self.cards["A"], self.walk, self.cards["B"]])
        self.view.add_class("vae-pins").layout.display = "none"

    def pin(self, name: str, z: list[float], decoded: Tensor, answer: Answer) -> None:
        """Keep a code as A or B, and show its picture and its nearest garments."""
        self._z[name] = torch.tensor(z, dtype=torch.float64, device="cpu")
        rows = ""
        for rule, neighbors in answer.neighbors.items():
            images = "".join(
                f'<img src="{self._pictures.uri(garment)}" '
                f'alt="{escape(self._pictures.name(garment))}">'
                for garment in neighbors.indices[:FIRST].tolist()
            )
            named = escape(f"Nearest to {name} by {ROW_NAMES[rule]}")
            rows += (
                f'<div class="vae-strip" style="--rule: {rule_color(rule)}" role="group" '
                f'aria-label="{named}" title="{named}.">{images}</div>'
            )
        picture = data_uri(picture_png(decoded))
        self.cards[name].value = (
            f'<b>{name}</b><img class="vae-decoded" src="{picture}" alt="decoded from {name}">'
            f"<div>{rows}</div>"
        )
        self.view.layout.display = ""
        self.walk.disabled = len(self._z) < 2

    def _walked(self, change: dict) -> None:
        if len(self._z) == 2:
            a, b = self._z["A"], self._z["B"]
            self._go((a + change["new"] * (b - a)).tolist())
