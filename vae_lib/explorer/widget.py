"""`Explorer`: the widget, which keeps z, the controls, the picture and the rows consistent."""

import base64
import html
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import ipywidgets as widgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vae_lib._checks import require, require_int, require_one_picture_each
from vae_lib.data import Images
from vae_lib.encoding import encode_dataset
from vae_lib.explorer import presets, rows
from vae_lib.explorer.pacing import Pacer
from vae_lib.explorer.panel import Panel
from vae_lib.explorer.pins import Pins
from vae_lib.explorer.plane import map_html
from vae_lib.explorer.rows import number, overlap
from vae_lib.explorer.scale import AS_PERCENTILES, AS_Z
from vae_lib.explorer.state import (
    ROW_RULES,
    Answer,
    ask,
    text_to_z,
    unused_dimensions,
    z_to_text,
)
from vae_lib.explorer.static import static_figure
from vae_lib.explorer.thumbnails import Thumbnails, picture_png
from vae_lib.figures import png_bytes
from vae_lib.latent_model import LatentModel, evaluation_mode, pictures_of, require_model
from vae_lib.objective import kl_to_prior
from vae_lib.posteriors import LARGEST, as_queries
from vae_lib.retrieval import Neighbors, PosteriorIndex, roundtrip
from vae_lib.threads import one_thread

SHOWN = 10  # garments in a row
STEPS_BACK = 100  # the number of changes that can be undone
ONE_MOVE = 1.0  # seconds; moves of one slider within this time are undone together
NAMED = 3  # the largest number of dimensions outside their sliders that are named


class Explorer(widgets.VBox):
    """Sliders for z, the garment that z decodes to, and its nearest garments by several rules.

    The state can be read and set without a browser: `z`, `rules`, `percentiles`, `sliders` (in the
    order of the dimensions) and `neighbors`, a dict from rule to the answer of `index.search`.
    """

    def __init__(self, vae: LatentModel, index: PosteriorIndex, images: Images, seed: int = 0):
        """Take the model, the index of `images.train_images`, and the images.

        Args:
            vae: the model, with `encode`, `decode`, `latent_dim` and `image_shape`.
            index: one garment for each of `images.train_images`.
            images: the pictures for the rows; photographs are shown if they come from a folder.
            seed: the seed of the buttons that draw z at random.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: the index has another number of garments or of latent dimensions.
        """
        require_model(vae, "encode", "decode", "latent_dim", "image_shape")
        require("index", index, PosteriorIndex, "a PosteriorIndex")
        require("images", images, Images, "Images")
        seed = require_int("seed", seed, least=0)
        require_one_picture_each(index, images)
        if index.latent_dim != vae.latent_dim:
            raise ValueError(
                f"index: expected latent_dim={vae.latent_dim} as in vae, got {index.latent_dim}"
            )
        self._vae, self._index, self._images = vae, index, images
        self._generator = torch.Generator().manual_seed(seed)
        self._z = [0.0] * vae.latent_dim
        self._past: deque[list[float]] = deque(maxlen=STEPS_BACK)
        self._last_move: tuple[object, float] = (None, 0.0)
        self._rules: tuple[str, ...] = ("likelihood", "euclidean")
        self._scale = AS_Z
        self._pacer = Pacer(self._redraw)
        self._pictures = Thumbnails(images)
        q = torch.distributions.Normal(index.posteriors.mean, index.posteriors.std)
        self.kl_per_dimension = kl_to_prior(q).mean(dim=0).tolist()
        self.unused = unused_dimensions(index.posteriors)
        self.panel = Panel(self, self.kl_per_dimension, self.unused)
        self.sliders = self.panel.sliders
        self.picture = self.panel.picture
        self.reading = self.panel.reading
        self.rows = widgets.HTML().add_class("vae-rows")
        self.pins = Pins(self._pictures, partial(self._go, kind="walk"))
        self.plane = widgets.HTML().add_class("vae-map")
        parts = [self.panel.looks(), self.panel.view, self.pins.view, self.plane]
        super().__init__([*parts, self.rows])
        self.add_class("vae-explorer")
        if vae.latent_dim == 2:
            self.plane.value = map_html(index, images)
        else:
            self.plane.layout.display = "none"
        self._pacer.change()

    def close(self) -> None:
        """Close all parts, so that the kernel frees their memory."""
        for part in [*_below(self)]:
            for style in (part.layout, getattr(part, "style", None)):
                if style is not None:
                    style.close()
            if part is not self:
                part.close()
        super().close()
        self.children = ()

    @property
    def z(self) -> tuple[float, ...]:
        """The latent code, d numbers; kept exactly, also outside the sliders' range."""
        return tuple(self._z)

    @z.setter
    def z(self, values: object) -> None:
        self._go(values)

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules of the rows: two or more of `ROW_RULES`, in that order."""
        return self._rules

    @rules.setter
    def rules(self, rules: Iterable[str]) -> None:
        wanted = list(rules)
        unknown = [rule for rule in wanted if rule not in ROW_RULES]
        if unknown or len(set(wanted)) < 2:
            known = ", ".join(map(repr, ROW_RULES))
            got = repr(unknown[0]) if unknown else wanted
            raise ValueError(f"rules: expected two or more of {known}, got {got}")
        self._rules = tuple(rule for rule in ROW_RULES if rule in wanted)
        self._pacer.change()

    @property
    def percentiles(self) -> bool:
        """Whether sliders and boxes read each zⱼ as a percentile of the prior, 100 Φ(zⱼ)."""
        return self._scale.percentiles

    @percentiles.setter
    def percentiles(self, percentiles: bool) -> None:
        self._scale = AS_PERCENTILES if percentiles else AS_Z
        self._pacer.change()

    @property
    def answer(self) -> Answer:
        """The search results for the current z."""
        self._pacer.finish()
        return self._answer

    @property
    def neighbors(self) -> dict[str, Neighbors]:
        """For each rule shown, the nearest garments of the current z."""
        return self.answer.neighbors

    @property
    def decoded(self) -> Tensor:
        """The picture that the current z decodes to, [C, H, W] in [0, 1]."""
        self._pacer.finish()
        return self._decoded

    def _go(self, values: object, message: str = "", kind: object = None) -> None:
        queries = as_queries(values, self._vae.latent_dim)
        if len(queries) != 1:
            raise ValueError(f"z: expected one code, got {len(queries)}")
        self._remember(kind)
        self._z = queries[0].tolist()
        self.panel.say(message)
        self._pacer.change()

    def _remember(self, kind: object) -> None:
        """Keep z for `undo`; moves of one kind in quick succession are undone together."""
        last, now = self._last_move, time.monotonic()
        if kind is None or kind != last[0] or now - last[1] > ONE_MOVE:
            self._past.append(list(self._z))
        self._last_move = (kind, now)

    def undo(self) -> None:
        """Return to the z before the last change, if there was one."""
        if not self._past:
            self.panel.say("Nothing to undo.")
            return
        self._z = self._past.pop()
        self._last_move = (None, 0.0)
        self.panel.say("Undone.")
        self._pacer.change()

    def pin(self, name: str) -> None:
        """Pin the current z as "A" or "B"; with both, a slider walks from one to the other.

        Raises:
            ValueError: another name.
        """
        if name not in self.pins.cards:
            raise ValueError(f"name: expected 'A' or 'B', got {name!r}")
        self.pins.pin(name, self._z, self.decoded, self.answer)
        self.panel.say(f"Pinned as {name}.")

    def draw_from_prior(self) -> None:
        """Draw z from the prior, N(0, I)."""
        self._go(torch.randn(self._vae.latent_dim, generator=self._generator, device="cpu"))

    def draw_from_posterior(self) -> None:
        """Draw z from the posterior of a garment that is itself drawn at random."""
        garment = self._random_garment()
        z = self._index.posteriors[garment].sample(self._generator)
        self._go(z, f"Drawn from q(z|x) of {self._pictures.name(garment)}.")

    def draw_uniformly(self) -> None:
        """Set every slider to a uniform draw; on percentile sliders, z is a draw from the prior."""
        low, high = (0.0, 100.0) if self.percentiles else (self._scale.low, self._scale.high)
        u = torch.rand(
            self._vae.latent_dim, generator=self._generator, device="cpu", dtype=torch.float64
        )
        places = low + (high - low) * u.clamp(min=1e-12)  # a percentile of 0 would be −∞
        self._go([self._scale.z(place) for place in places.tolist()])

    def garment_z(self, garment: int | None = None) -> None:
        """Set z to the mean of one garment's posterior; of a random one by default."""
        if garment is None:
            garment = self._random_garment()
        garment = require_int("garment", garment, 0, len(self._index) - 1)
        self._go(self._index.posteriors.mean[garment], f"The μ of {self._pictures.name(garment)}.")

    def go_round(self) -> None:
        """Go to the round trip of z: decode it, encode the picture, take the mean."""
        self._go(roundtrip(self._vae, self._z)[0], "Decoded, and encoded again.")

    def reset(self) -> None:
        """Set every slider to z = 0."""
        self._go([0.0] * self._vae.latent_dim)

    def make_rules_disagree(self) -> None:
        """Go to a draw from a posterior for which the rules disagree on most garments."""
        z = presets.rules_disagree(self._index, self._generator)
        self._go(z, "Of many draws from posteriors, the one with the fewest garments in common.")

    def go_far_but_certain(self) -> None:
        """Go to a z far from all garments for which one garment still has p near 100 %."""
        z = presets.far_but_certain(self._index, self._generator)
        self._go(z, "p compares garments with each other: one may be certain, and yet be far.")

    def _random_garment(self) -> int:
        return int(torch.randint(len(self._index), (), generator=self._generator, device="cpu"))

    def slider_moved(self, j: int, place: float) -> None:
        """Take a new place on the scale of one dimension, from a slider or a box."""
        try:
            value = self._scale.z(place)
            if not (math.isfinite(value) and abs(value) <= LARGEST):
                raise ValueError(f"Expected a number within ±{LARGEST:.0e}, got {value:g}.")
            self._remember(j)
            self._z[j] = value
            self.panel.say("")
        except ValueError as error:
            self.panel.say(str(error))
        self._pacer.change()  # which also replaces a bad number by the last good one

    def z_typed(self, text: str) -> None:
        """Take all numbers of z at once, as text."""
        try:
            self.z = text_to_z(text, self._vae.latent_dim)
        except ValueError as error:
            self.panel.say(str(error))  # the text stays in the box, for correction

    def garment_typed(self, text: str) -> None:
        """Take a garment's number, as text."""
        if not text.strip():
            return
        try:
            self.garment_z(int(text))
        except ValueError:
            last = len(self._index) - 1
            self.panel.say(f"Expected a garment's number, 0 to {last}, got “{text:.30}”.")
        self.panel.garment_box.value = ""  # so that the same number can be sent again

    def rules_ticked(self, rules: list[str]) -> None:
        """Take the rules whose boxes are ticked."""
        try:
            self.rules = rules
        except ValueError:
            self.panel.say("Two rules at least, so that there is something to compare.")
            self._pacer.change()  # which ticks the box again

    def file_uploaded(self, file: bytes) -> None:
        """Go to the μ of a picture's file."""
        try:
            q = encode_dataset(self._vae, self._images.prepare(file))
        except ValueError as error:
            self.panel.say(f"This picture could not be read: {error}.")
            return
        widest, narrowest = number(q.std.max().item()), number(q.std.min().item())
        self._go(q.mean[0], f"The μ of your picture; its σ runs from {narrowest} to {widest}.")

    def _redraw(self) -> None:
        """Show z and its results; the picture comes first, because people look at it."""
        z = as_queries(self._z, self._vae.latent_dim)
        with one_thread(), torch.inference_mode(), evaluation_mode(self._vae):
            self._decoded = pictures_of(self._vae, z.float())[0].cpu()
        self.picture.value = picture_png(self._decoded)
        self.panel.show(self._z, self._scale, self._rules)
        shown = min(SHOWN, len(self._index))
        self._answer = ask(self._vae, self._index, self._z, self._rules, shown)
        self.panel.status.value = rows.status_html(self._answer)
        self.rows.value = rows.rows_html(
            self._answer, self._index, self._images, self._pictures, self._scale
        )
        alt = html.escape(f"Decoded from z. {rows.winners(self._answer, self._images)}.")
        self.reading.value = (
            f'<div data-z="{z_to_text(self._z)}" data-alt="{alt}">'
            f"{html.escape(' '.join([overlap(self._answer), *self._outside()]))}</div>"
        )

    def _outside(self) -> list[str]:
        """Return a sentence about dimensions outside their sliders, in a list that may be empty."""
        outside = [j for j, value in enumerate(self._z) if not self._scale.holds(value)]
        if not outside:
            return []
        names = ", ".join(f"z{j + 1} = {number(self._z[j])}" for j in outside[:NAMED])
        more = f" and {len(outside) - NAMED} more" if len(outside) > NAMED else ""
        return [f"Outside its slider, and searched as it is: {names}{more}."]

    def _sentences(self) -> list[str]:
        """Return the sentences about the current z."""
        first = f"{overlap(self._answer)} {rows.nearness(self._answer)}"
        numbers = [rows.familiarity(self._answer)] if self.panel.number_box.value else []
        return [first, *numbers, *self._outside()]

    def __repr__(self) -> str:
        lines = [f"Explorer at z = [{', '.join(number(value) for value in self._z)}]"]
        for rule, neighbors in self.neighbors.items():
            labels = self._images.train_labels[neighbors.indices[:3]]
            classes = ", ".join(self._images.class_names[label] for label in labels)
            lines.append(f"nearest by {rows.ROW_NAMES[rule]}: {classes}, ...")
        return "\n".join(lines)

    def static_figure(self) -> Figure:
        """Return the explorer as a figure."""
        return static_figure(
            {f"z{j + 1}": self._z[j] for j in self.panel.order},
            self.decoded,
            self.answer,
            self._images,
            self._sentences(),
        )

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        data = super()._repr_mimebundle_(**options)
        data["text/plain"] = repr(self)
        if "image/png" in (options.get("exclude") or ()):
            return data, {}
        data["image/png"] = base64.b64encode(png_bytes(self.static_figure())).decode()
        return data, {"image/png": {"alt": repr(self)}}


def _below(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _below(child)
