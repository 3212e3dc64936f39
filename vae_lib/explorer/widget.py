"""`Explorer`: the widget. It keeps z, the controls, the picture and the rows in step."""

import base64
import html
import math
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

import ipywidgets as widgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vae_lib._checks import require, require_int
from vae_lib.data import Images
from vae_lib.explorer.pacing import Pacer
from vae_lib.explorer.panel import Calls, Panel, looks
from vae_lib.explorer.png import data_uri, garment_png
from vae_lib.explorer.rows import ROW_NAMES, familiarity, number, overlap, rows_html, winners
from vae_lib.explorer.scale import AS_PERCENTILES, AS_Z
from vae_lib.explorer.state import ROW_RULES, Answer, ask, text_to_z, unused_dimensions, z_to_text
from vae_lib.explorer.static import static_figure
from vae_lib.figures import png_bytes
from vae_lib.model import VAE
from vae_lib.objective import kl_to_prior
from vae_lib.posteriors import LARGEST, as_queries
from vae_lib.retrieval import Neighbors, PosteriorIndex, roundtrip
from vae_lib.threads import one_thread

SHOWN = 10  # garments in a row
PICTURES_KEPT = 4096  # of garments in the rows: under 1 kB each


class Explorer(widgets.VBox):
    """Sliders for z, the garment that z decodes to, and its nearest garments by several rules.

    The state can be read and set without a browser: `z`, `rules`, `percentiles`, `sliders` (in the
    order of the dimensions) and `neighbors`, a dict from rule to the answer of `index.search`.
    """

    def __init__(self, vae: VAE, index: PosteriorIndex, images: Images, seed: int = 0):
        """Take the model, the index of `images.train_images`, and the images.

        seed: of the buttons that draw at random. Raises a ValueError where the index has another
        number of garments or of latent dimensions.
        """
        require("vae", vae, VAE, "a VAE")
        require("index", index, PosteriorIndex, "a PosteriorIndex")
        require("images", images, Images, "Images")
        require_int("seed", seed, least=0)
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
        self._rules: tuple[str, ...] = ("likelihood", "euclidean")
        self._scale = AS_Z
        self._pacer = Pacer(self._redraw)
        self._garment_uri = lru_cache(PICTURES_KEPT)(
            lambda garment: data_uri(garment_png(images.train_images[garment]))
        )
        q = torch.distributions.Normal(index.posteriors.mean, index.posteriors.std)
        self.kl_per_dimension = kl_to_prior(q).mean(dim=0).tolist()
        self.unused = unused_dimensions(index.posteriors)
        self.panel = Panel(self.kl_per_dimension, self.unused, self._calls())
        self.sliders = self.panel.sliders
        self.picture = self.panel.picture
        self.reading = widgets.HTML().add_class("vae-reading")
        self.rows = widgets.HTML().add_class("vae-rows")
        super().__init__([looks(), self.panel.view, self.reading, self.rows])
        self.add_class("vae-explorer")
        self._pacer.change()

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
        """What the index says of the current z."""
        self._pacer.finish()
        return self._answer

    @property
    def neighbors(self) -> dict[str, Neighbors]:
        """For each rule shown, the nearest garments of the current z."""
        return self.answer.neighbors

    @property
    def decoded(self) -> Tensor:
        """The picture that the current z decodes to, [1, 28, 28] in [0, 1]."""
        self._pacer.finish()
        return self._decoded

    def _go(self, values: object, message: str = "") -> None:
        queries = as_queries(values, self._vae.latent_dim)
        if len(queries) != 1:
            raise ValueError(f"z: expected one code, got {len(queries)}")
        self._z = queries[0].tolist()
        self.panel.say(message)
        self._pacer.change()

    def draw_from_prior(self) -> None:
        """Draw z from the prior, N(0, I)."""
        self._go(torch.randn(self._vae.latent_dim, generator=self._generator))

    def draw_from_posterior(self) -> None:
        """Draw z from the posterior of a garment that is itself drawn at random."""
        garment = self._random_garment()
        q = self._index.posteriors
        eps = torch.randn(self._vae.latent_dim, generator=self._generator)
        z = q.mean[garment].cpu() + q.std[garment].cpu() * eps
        self._go(z, f"Drawn from q(z|x) of {self._name(garment)}.")

    def draw_uniformly(self) -> None:
        """Draw every slider's place uniformly: as percentiles, that is a draw from the prior."""
        low, high = (0.0, 100.0) if self.percentiles else (self._scale.low, self._scale.high)
        u = torch.rand(self._vae.latent_dim, generator=self._generator, dtype=torch.float64)
        places = low + (high - low) * u.clamp(min=1e-12)  # a percentile of 0 would be −∞
        self._go([self._scale.z(place) for place in places.tolist()])

    def garment_z(self, garment: int | None = None) -> None:
        """Set z to the mean of one garment's posterior; of a random one by default."""
        if garment is None:
            garment = self._random_garment()
        require_int("garment", garment, least=0)
        if garment >= len(self._index):
            raise ValueError(f"garment: expected 0 to {len(self._index) - 1}, got {garment}")
        self._go(self._index.posteriors.mean[garment], f"The μ of {self._name(garment)}.")

    def go_round(self) -> None:
        """Go to the round trip of z: decode it, encode the picture, take the mean."""
        self._go(roundtrip(self._vae, self._z)[0], "Decoded, and encoded again.")

    def reset(self) -> None:
        """Set every slider to z = 0."""
        self._go([0.0] * self._vae.latent_dim)

    def _random_garment(self) -> int:
        return int(torch.randint(len(self._index), (), generator=self._generator))

    def _name(self, garment: int) -> str:
        return f"garment {garment}, {self._images.class_names[self._images.train_labels[garment]]}"

    def _calls(self) -> Calls:
        return Calls(
            moved=self._moved,
            typed=self._typed,
            garment=self._garment_typed,
            rules=self._rules_ticked,
            percentiles=partial(setattr, self, "percentiles"),
            buttons={
                "From the prior": (self.draw_from_prior, "draw z from the prior, N(0, I)"),
                "From a posterior": (
                    self.draw_from_posterior,
                    "draw z from the posterior of a random garment",
                ),
                "Uniform": (self.draw_uniformly, "draw every slider's place uniformly"),
                "A garment's z": (self.garment_z, "the mean of a random garment's posterior"),
                "Round trip": (self.go_round, "decode z, encode the picture, go to its mean"),
                "Reset": (self.reset, "z = 0"),
            },
        )

    def _moved(self, j: int, place: float) -> None:
        try:
            value = self._scale.z(place)
            if not (math.isfinite(value) and abs(value) <= LARGEST):
                raise ValueError(f"Expected a number within ±{LARGEST:.0e}, got {value:g}.")
            self._z[j] = value
            self.panel.say("")
        except ValueError as error:
            self.panel.say(str(error))
        self._pacer.change()  # which also puts the last good number back in place of a bad one

    def _typed(self, text: str) -> None:
        try:
            self.z = text_to_z(text, self._vae.latent_dim)
        except ValueError as error:
            self.panel.say(str(error))  # and the text stays, to be mended

    def _garment_typed(self, text: str) -> None:
        if not text.strip():
            return
        try:
            self.garment_z(int(text))
        except ValueError:
            last = len(self._index) - 1
            self.panel.say(f"Expected a garment's number, 0 to {last}, got “{text:.30}”.")
        self.panel.garment_box.value = ""  # so that the same number can be sent again

    def _rules_ticked(self, rules: list[str]) -> None:
        try:
            self.rules = rules
        except ValueError:
            self.panel.say("Two rules at least, so that there is something to compare.")
            self._pacer.change()  # which puts the tick back

    def _redraw(self) -> None:
        """Show the picture first, since that is what a person who moves a slider looks at."""
        with one_thread(), torch.inference_mode():
            self._decoded = self._vae.decode(as_queries(self._z, self._vae.latent_dim))[0].cpu()
        self.picture.value = garment_png(self._decoded)
        self.panel.show(self._z, self._scale, self._rules)
        shown = min(SHOWN, len(self._index))
        self._answer = ask(self._vae, self._index, self._z, self._rules, shown)
        self.rows.value = rows_html(self._answer, self._images, self._garment_uri)
        alt = html.escape(f"Decoded from z. {winners(self._answer, self._images)}.")
        sentences = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in self._sentences())
        self.reading.value = (
            f'<div data-z="{z_to_text(self._z)}" data-alt="{alt}">{sentences}</div>'
        )

    def _sentences(self) -> list[str]:
        """Return what there is to say of the current z."""
        sentences = [f"{overlap(self._answer)} {familiarity(self._answer)}"]
        outside = [j for j, value in enumerate(self._z) if not self._scale.holds(value)]
        if outside:
            names = ", ".join(f"z{j + 1} = {number(self._z[j])}" for j in outside)
            sentences.append(f"Outside its slider, and searched as it is: {names}.")
        return sentences

    def __repr__(self) -> str:
        lines = [f"Explorer at z = [{', '.join(number(value) for value in self._z)}]"]
        for rule, neighbors in self.neighbors.items():
            labels = self._images.train_labels[neighbors.indices[:3]]
            classes = ", ".join(self._images.class_names[label] for label in labels)
            lines.append(f"nearest by {ROW_NAMES[rule]}: {classes}, ...")
        return "\n".join(lines)

    def static_figure(self) -> Figure:
        """Return what the explorer shows, as a figure."""
        return static_figure(
            self._z, AS_Z.high, self.decoded, self.answer, self._images, self._sentences()
        )

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        data = super()._repr_mimebundle_(**options)
        data["text/plain"] = repr(self)
        data["image/png"] = base64.b64encode(png_bytes(self.static_figure())).decode()
        return data, {"image/png": {"alt": repr(self)}}
