"""A drawing of the whole VAE: x → encoder → (μ, σ) → z = μ + σ ⊙ ε → decoder → p."""

from collections.abc import Collection
from typing import Any

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon
from torch import Tensor

INK, PALE, ACCENT = "black", "#f2f2f2", "#FFE08A"
# name of a part: its centre, and the text in it
PLACES = {
    "x": (0.6, 1.5),
    "encoder": (2.6, 1.5),
    "mean": (4.6, 2.3),
    "std": (4.6, 0.7),
    "eps": (6.7, 3.0),
    "z": (6.7, 1.5),
    "decoder": (8.7, 1.5),
    "p": (10.7, 1.5),
}


def vae_picture(
    x: Float[Tensor, "1 28 28"],
    p: Float[Tensor, "1 28 28"],
    latent_dim: int,
    highlight: Collection[str] = (),
) -> Figure:
    """Return the VAE from left to right, each part with its shape, and some of them highlighted.

    Args:
        x: a garment, float in [0, 1].
        p: the pixel probabilities that the decoder returns for it.
        latent_dim: d, which stands in the shapes.
        highlight: names of `PLACES` to fill with colour.

    Raises:
        ValueError: `highlight` holds a name that is none.
    """
    if unknown := set(highlight) - set(PLACES):
        raise ValueError(f"highlight: expected some of {', '.join(PLACES)}, got {unknown}")
    figure, axes = plt.subplots(figsize=(10, 3.3))
    axes.set(xlim=(-0.3, 11.6), ylim=(-0.35, 3.6), aspect="equal")
    axes.set_axis_off()
    d = f"[{latent_dim}]"
    texts = {"mean": f"μ(x)  {d}", "std": f"σ(x)  {d}", "eps": f"ε ~ N(0, I)  {d}"}
    for part, text in texts.items():
        _box(axes, part, text, part in highlight)
    _box(axes, "z", f"z = μ + σ ⊙ ε\n{d}", "z" in highlight)
    _funnel(axes, "encoder", "encoder\nq(z|x)", 1, "encoder" in highlight)
    _funnel(axes, "decoder", "decoder\np(x|z)", -1, "decoder" in highlight)
    for part, picture, text in (("x", x, "garment x"), ("p", p, "p, for each pixel")):
        _picture(axes, part, picture, text, part in highlight)
    arrows = {("x", "encoder"): (1.3, 1.75), ("z", "decoder"): (7.65, 7.95)}
    arrows[("decoder", "p")] = (9.55, 10.0)
    for start, end in arrows.values():
        _arrow(axes, (start, 1.5), (end, 1.5))
    _arrow(axes, (3.4, 1.75), (3.8, 2.2))
    _arrow(axes, (3.4, 1.25), (3.8, 0.8))
    _arrow(axes, (5.4, 2.2), (5.75, 1.8))
    _arrow(axes, (5.4, 0.8), (5.75, 1.2))
    _arrow(axes, (6.7, 2.65), (6.7, 2.0))
    return figure


def _box(axes: Axes, part: str, text: str, bright: bool) -> None:
    x, y = PLACES[part]
    width, height = (1.8, 0.8) if part == "z" else (1.5, 0.55)
    if part == "eps":
        width = 1.9
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0.05",
            facecolor=ACCENT if bright else PALE,
            edgecolor=INK,
            linestyle="--" if part == "eps" else "-",  # the only part that is random
        )
    )
    axes.text(x, y, text, ha="center", va="center", fontsize=10)


def _funnel(axes: Axes, part: str, text: str, direction: int, bright: bool) -> None:
    """Draw a trapezium that narrows to the right (direction 1) or to the left (−1)."""
    x, y = PLACES[part]
    left, right = (1.2, 0.6) if direction == 1 else (0.6, 1.2)
    corners = [(x - 0.8, y - left), (x - 0.8, y + left), (x + 0.8, y + right), (x + 0.8, y - right)]
    color = ACCENT if bright else PALE
    axes.add_patch(Polygon(corners, closed=True, facecolor=color, edgecolor=INK))
    axes.text(x, y, text, ha="center", va="center", fontsize=10)


def _picture(axes: Axes, part: str, picture: Tensor, text: str, bright: bool) -> None:
    x, y = PLACES[part]
    pixels = picture.detach().cpu().reshape(picture.shape[-2:]).numpy()
    extent = (x - 0.65, x + 0.65, y - 0.65, y + 0.65)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    shape = "[" + ", ".join(str(size) for size in picture.shape) + "]"
    label: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 10}
    if bright:
        label["bbox"] = {"facecolor": ACCENT, "edgecolor": "none", "pad": 2}
    axes.text(x, y - 0.8, f"{text}\n{shape}", **label)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.3})
