"""The instrument: ten sliders for z, the decoded garment, and the nearest garments by each rule."""

import base64
import html
import io
import math
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from vae_lib.data import Images
from vae_lib.figures import RULE_COLORS, RULE_NAMES, draw_garment, plt, png_bytes
from vae_lib.model import VAE
from vae_lib.objective import kl_to_prior
from vae_lib.posteriors import LARGEST, as_queries
from vae_lib.retrieval import Neighbors, PosteriorIndex

LIMIT = 5.0  # the sliders go from −5 to 5
STEP = 0.05
ECHO_SECONDS = 10.0  # how long the front end may take to send a superseded value back
SHOWN = 10  # garments in a row
GARMENT = 84  # pixels a side, of a garment in a row
SHOWN_DIGITS = 3  # in the boxes beside the sliders; z itself is kept exactly
COMPARED = ("likelihood", "euclidean")
MARK_COLOR = "#E69F00"
OUTSIDE_COLOR = "#D55E00"
CAPTION_STYLE = (
    f"display: grid; grid-template-columns: repeat(auto-fill, {GARMENT}px); "
    "text-align: center; font-size: 11px; line-height: 1.3"
)


def number(value: float, digits: int = 2) -> str:
    """Return a number as text, with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def _to_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)  # speed matters more than size here
    return buffer.getvalue()


def _grey(pixels: Tensor) -> Image.Image:
    if pixels.dtype != torch.uint8:
        pixels = (pixels * 255).round().to(torch.uint8)
    return Image.fromarray(pixels.reshape(28, 28).cpu().numpy())


def garment_png(pixels: Tensor) -> bytes:
    """Return one garment [1, 28, 28] as a PNG file of 28×28 pixels."""
    return _to_png(_grey(pixels))


def strip_png(garments: Tensor, marked: Sequence[bool]) -> bytes:
    """Return garments [k, 1, 28, 28] side by side as a PNG file; marked ones get a bar below."""
    inner = GARMENT - 2
    strip = Image.new("RGBA", (len(garments) * GARMENT, GARMENT + 5))  # transparent between them
    for place, (garment, is_marked) in enumerate(zip(garments, marked, strict=True)):
        large = _grey(garment).resize((inner, inner), Image.Resampling.BICUBIC)
        strip.paste(large.convert("RGBA"), (place * GARMENT + 1, 0))
        if is_marked:
            strip.paste(
                MARK_COLOR, (place * GARMENT + 1, inner, place * GARMENT + 1 + inner, GARMENT + 5)
            )
    return _to_png(strip)


class EchoProofSlider(widgets.FloatSlider):
    """A FloatSlider that tells a person's move from its own echo.

    The front end rounds every value it is given to the slider's steps, and sends the rounded value
    back as if a person had moved the slider. That would round z, or, arriving late, undo a change.
    """

    def __init__(self, **options: Any):
        # what the front end may still send back, and since when
        self._placed: deque[tuple[float, float]] = deque(maxlen=64)
        super().__init__(**options)

    def place(self, value: float) -> None:
        """Set the value from Python."""
        self._placed.append((value, time.monotonic()))
        self.value = value

    def set_state(self, sync_data: dict) -> None:
        """Take what the front end sends, unless it is an echo."""
        value = sync_data.get("value")
        if value is not None:
            while len(self._placed) > 1 and time.monotonic() - self._placed[0][1] > ECHO_SECONDS:
                self._placed.popleft()
            near = [abs(value - placed) <= 0.51 * self.step for placed, _ in self._placed]
            if any(near):  # and what was placed before it will not come back any more
                while len(self._placed) > len(near) - near.index(True):
                    self._placed.popleft()
                sync_data = {name: sync_data[name] for name in sync_data if name != "value"}
            else:
                self._placed.clear()
        super().set_state(sync_data)


class Explorer(widgets.VBox):
    """Sliders for z, the garment that z decodes to, and its nearest garments by two rules.

    The state can be read and set without a browser: `z`, `sliders` (in the order of the dimensions)
    and `neighbors`, a dict from rule to the answer of `index.search`.
    """

    def __init__(self, vae: VAE, index: PosteriorIndex, images: Images, seed: int = 0):
        """Take the model, the index of `images.train_images`, and the images.

        seed: of the buttons that draw at random. Raises a ValueError where the index has another
        number of garments or of latent dimensions.
        """
        if len(index) != len(images.train_images):
            raise ValueError(
                f"index: expected one garment for each of the {len(images.train_images)} "
                f"training images, got {len(index)}"
            )
        if index.latent_dim != vae.latent_dim:
            raise ValueError(
                f"index: expected latent_dim={vae.latent_dim} as in vae, got {index.latent_dim}"
            )
        self._vae, self._index, self._images = vae, index, images
        self._generator = torch.Generator().manual_seed(seed)
        self._z = [0.0] * vae.latent_dim
        self._shown = min(SHOWN, len(index))
        self._moving = False  # true while we move the sliders, so that they do not call back
        self.neighbors: dict[str, Neighbors] = {}
        self._build()
        self._refresh()

    # ---- state ----------------------------------------------------------------------------

    @property
    def z(self) -> tuple[float, ...]:
        """The latent code, d numbers; kept exactly, also outside the sliders' range."""
        return tuple(self._z)

    @z.setter
    def z(self, values: object) -> None:
        queries = as_queries(values, self._vae.latent_dim)
        if len(queries) != 1:
            raise ValueError(f"z: expected one code, got {len(queries)}")
        self._z = queries[0].tolist()
        self._refresh()

    # ---- parts ----------------------------------------------------------------------------

    def _build(self) -> None:
        posterior = self._index.posteriors
        q = torch.distributions.Normal(posterior.mean, posterior.std)
        self.kl_per_dimension = kl_to_prior(q).mean(dim=0).tolist()
        self.sliders = [self._slider(j) for j in range(self._vae.latent_dim)]
        self.entries = [self._entry(j) for j in range(self._vae.latent_dim)]
        self.picture = widgets.Image(format="png", layout={"width": "224px", "height": "224px"})
        self.message = widgets.HTML()
        self.strips = {rule: widgets.Image(format="png") for rule in COMPARED}
        self.captions = {rule: widgets.HTML() for rule in COMPARED}
        self.buttons = self._buttons()
        super().__init__([self._top(), self.message, *map(self._row, COMPARED)])
        self.add_class("vae-explorer")
        self.layout.width = f"{SHOWN * GARMENT + 8}px"

    def _slider(self, j: int) -> EchoProofSlider:
        slider = EchoProofSlider(
            min=-LIMIT,
            max=LIMIT,
            step=STEP,
            description=f"z{j + 1}",
            readout=False,
            continuous_update=True,
            tooltip=f"z{j + 1}: {self.kl_per_dimension[j]:.2f} nats of KL on average",
            layout={"width": "190px", "margin": "1px 0"},
        )
        slider.style.description_width = "2em"
        slider.observe(lambda change: self._move(j, change["new"]), names="value")
        return slider

    def _entry(self, j: int) -> widgets.FloatText:
        entry = widgets.FloatText(
            tooltip=f"z{j + 1} as a number", layout={"width": "86px", "margin": "1px 0"}
        )
        entry.observe(lambda change: self._move(j, change["new"]), names="value")
        return entry

    def _buttons(self) -> dict[str, widgets.Button]:
        actions = {
            "Random z": (self.random_z, "draw z from the prior, N(0, I)"),
            "A garment's z": (self.garment_z, "the mean of a random garment's posterior"),
            "Reset": (self.reset, "all sliders to 0"),
        }
        buttons = {}
        for name, (action, tooltip) in actions.items():
            buttons[name] = widgets.Button(
                description=name, tooltip=tooltip, layout={"width": "112px"}
            )
            buttons[name].on_click(lambda _, action=action: action())
        return buttons

    def _top(self) -> widgets.Widget:
        # the dimensions that say most come first: down the left column, then the right one
        order = sorted(range(self._vae.latent_dim), key=lambda j: -self.kl_per_dimension[j])
        lines = [widgets.HBox([self.sliders[j], self.entries[j]]) for j in order]
        half = (len(lines) + 1) // 2
        columns = [widgets.VBox(lines[:half]), widgets.VBox(lines[half:])]
        controls = widgets.VBox([widgets.HBox(columns), widgets.HBox([*self.buttons.values()])])
        return widgets.HBox([controls, self.picture], layout={"justify_content": "space-between"})

    def _row(self, rule: str) -> widgets.Widget:
        title = widgets.HTML(
            f'<b style="border-left: 0.6em solid {RULE_COLORS[rule]}; padding-left: 0.4em">'
            f"Nearest by {RULE_NAMES[rule]}</b>"
        )
        return widgets.VBox([title, self.strips[rule], self.captions[rule]])

    # ---- actions --------------------------------------------------------------------------

    def random_z(self) -> None:
        """Draw z from the prior."""
        self.z = torch.randn(self._vae.latent_dim, generator=self._generator).tolist()

    def garment_z(self, garment: int | None = None) -> None:
        """Set z to the mean of one garment's posterior; of a random one by default."""
        if garment is None:
            garment = int(torch.randint(len(self._index), (), generator=self._generator))
        if not 0 <= garment < len(self._index):
            raise ValueError(f"garment: expected 0 to {len(self._index) - 1}, got {garment}")
        self.z = self._index.posteriors.mean[garment].tolist()

    def reset(self) -> None:
        """Set every slider to 0."""
        self.z = [0.0] * self._vae.latent_dim

    def _move(self, j: int, value: float) -> None:
        if self._moving:
            return
        if math.isfinite(value) and abs(value) <= LARGEST:
            self._z[j] = float(value)
        self._refresh()  # which also puts the last good number back in place of a bad one

    # ---- what is shown --------------------------------------------------------------------

    def _refresh(self) -> None:
        """Decode the current z, search, and show both."""
        self._place_sliders()
        with torch.inference_mode():
            self.decoded = self._vae.decode(as_queries(self._z, self._vae.latent_dim))[0].cpu()
        self.picture.value = garment_png(self.decoded)
        self.neighbors = {
            rule: self._index.search(self._z, k=self._shown, rule=rule) for rule in COMPARED
        }
        common = self._in_common
        for rule in COMPARED:
            indices = self.neighbors[rule].indices
            marked = [garment in common for garment in indices.tolist()]
            self.strips[rule].value = strip_png(self._images.train_images[indices], marked)
            cells = "".join(f"<div>{caption}</div>" for caption in self._captions(rule))
            self.captions[rule].value = f'<div style="{CAPTION_STYLE}">{cells}</div>'
        self.message.value = "<br>".join(map(html.escape, self._messages()))

    def _place_sliders(self) -> None:
        self._moving = True  # these changes are ours, and call for no search
        for value, slider, entry in zip(self._z, self.sliders, self.entries, strict=True):
            place = min(max(value, -LIMIT), LIMIT)
            if slider.value != place:
                slider.place(place)
            entry.value = round(value, SHOWN_DIGITS)
            slider.style.handle_color = None if abs(value) <= LIMIT else OUTSIDE_COLOR
        self._moving = False

    @property
    def _in_common(self) -> set[int]:
        """The garments that are in the rows of all rules."""
        return set.intersection(*(set(n.indices.tolist()) for n in self.neighbors.values()))

    def _captions(self, rule: str) -> list[str]:
        """Return class and score of each garment in a row, as HTML."""
        neighbors = self.neighbors[rule]
        classes = [
            self._images.class_names[i] for i in self._images.train_labels[neighbors.indices]
        ]
        scores = neighbors.scores.tolist()
        if neighbors.probabilities is None:
            lines = [f"distance<br>{number(score)}" for score in scores]
        else:
            probabilities = neighbors.probabilities.tolist()
            lines = [
                f"log q {number(score, 1)}<br>p = {probability:.1%}"
                for score, probability in zip(scores, probabilities, strict=True)
            ]
        return [
            f"<b>{html.escape(c)}</b><br>{line}" for c, line in zip(classes, lines, strict=True)
        ]

    def _messages(self) -> list[str]:
        """Return what there is to say of the current z, a sentence each."""
        common = len(self._in_common)
        messages = [f"{common} of {self._shown} garments in common (marked with a bar)."]
        if self._index.is_familiar(self._z)[0]:
            messages[0] += " This z is near a garment that the model has seen."
        else:
            messages[0] += " This z is far from every garment that the model has seen."
        outside = [j for j, value in enumerate(self._z) if abs(value) > LIMIT]
        if outside:
            names = ", ".join(f"z{j + 1} = {number(self._z[j])}" for j in outside)
            messages.append(f"Outside its slider, and searched as it is: {names}.")
        return messages

    # ---- where no kernel runs -------------------------------------------------------------

    def __repr__(self) -> str:
        lines = [f"Explorer at z = [{', '.join(number(value) for value in self._z)}]"]
        for rule, neighbors in self.neighbors.items():
            labels = self._images.train_labels[neighbors.indices[:3]]
            classes = ", ".join(self._images.class_names[label] for label in labels)
            lines.append(f"nearest by {RULE_NAMES[rule]}: {classes}, ...")
        return "\n".join(lines)

    def static_figure(self) -> Figure:
        """Return what the explorer shows, as a figure."""
        figure = plt.figure(figsize=(10, 6.6))
        top, *rows = figure.subfigures(3, 1, squeeze=False, height_ratios=[1.5, 1, 1])[:, 0]
        bars, picture = top.subplots(1, 2, width_ratios=[3, 1])
        names = [f"z{j + 1}" for j in range(len(self._z))]
        bars.barh(names[::-1], self._z[::-1], color="#808080")
        bars.set(xlim=(-LIMIT, LIMIT), title="z, as the sliders stand")
        bars.set_xlabel("\n".join(self._messages()), loc="left", labelpad=6)
        draw_garment(picture, self.decoded, "decoded from z")
        common = self._in_common
        for rule, row in zip(COMPARED, rows, strict=True):
            title = f"Nearest by {RULE_NAMES[rule]}"
            row.suptitle(title, x=0.01, ha="left", color=RULE_COLORS[rule])
            cells = row.subplots(1, self._shown, squeeze=False)[0]
            indices = self.neighbors[rule].indices.tolist()
            for cell, garment, caption in zip(cells, indices, self._captions(rule), strict=True):
                text = caption.replace("<br>", "\n").replace("<b>", "").replace("</b>", "")
                draw_garment(cell, self._images.train_images[garment], html.unescape(text))
                if garment in common:
                    cell.axhline(27.4, color=MARK_COLOR, linewidth=5)
        return figure

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        data = super()._repr_mimebundle_(**options)
        data["text/plain"] = repr(self)
        data["image/png"] = base64.b64encode(png_bytes(self.static_figure())).decode()
        return data, {"image/png": {"alt": repr(self)}}
