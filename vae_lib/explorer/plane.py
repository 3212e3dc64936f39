"""A map of a latent plane: the class of the nearest garment at each point, by two rules."""

from html import escape

import matplotlib
import torch
from matplotlib.colors import to_hex
from torch import Tensor

from vae_lib.data import Images
from vae_lib.explorer.scale import AS_Z
from vae_lib.explorer.thumbnails import data_uri, picture_png
from vae_lib.figures import RULE_COLORS, RULE_NAMES
from vae_lib.retrieval import PosteriorIndex

CELLS = 90  # along each side
MAPPED = ("likelihood", "euclidean")


def class_colors(count: int) -> Tensor:
    """Return a colour for each class, [count, 3] in [0, 1]."""
    scheme = matplotlib.colormaps["tab10" if count <= 10 else "turbo"]
    colors = [scheme(j if count <= 10 else j / count)[:3] for j in range(count)]
    return torch.tensor(colors, device="cpu")


def winners_map(index: PosteriorIndex, images: Images, rule: str) -> Tensor:
    """Return the map of one rule as a picture [3, CELLS, CELLS] in [0, 1], z2 upwards.

    The colour is the winner's class; its brightness differs from garment to garment, so that the
    regions of single garments can be told apart.
    """
    steps = (torch.arange(CELLS, dtype=torch.float64, device="cpu") + 0.5) / CELLS
    z = AS_Z.low + (AS_Z.high - AS_Z.low) * steps
    grid = torch.cartesian_prod(z.flip(0), z).flip(1)  # [CELLS², 2] as z1, z2
    winner = index.search(grid, k=1, rule=rule).indices[:, 0].cpu()
    color = class_colors(len(images.class_names))[images.train_labels[winner]]
    shade = 0.75 + 0.25 * (0.618034 * winner % 1)
    return (color * shade[:, None]).T.reshape(3, CELLS, CELLS)


def map_html(index: PosteriorIndex, images: Images) -> str:
    """Return the maps of `MAPPED`, and a legend; explorer.js puts z on them and takes clicks."""
    maps = "".join(
        f'<figure><div class="vae-plane" data-low="{AS_Z.low}" data-high="{AS_Z.high}" '
        f'style="--rule: {RULE_COLORS[rule]}" title="Click or drag to move z.">'
        f'<img src="{data_uri(picture_png(winners_map(index, images, rule)))}" draggable="false" '
        f'alt="Map of z1 and z2, coloured by the class that is nearest by {RULE_NAMES[rule]}">'
        '<span class="vae-ellipse"></span><span class="vae-here"></span></div>'
        f"<figcaption>who wins by {RULE_NAMES[rule]}</figcaption></figure>"
        for rule in MAPPED
    )
    colors = map(to_hex, class_colors(len(images.class_names)).tolist())
    legend = "".join(
        f'<span><i style="background: {color}"></i>{escape(name)}</span>'
        for name, color in zip(images.class_names, colors, strict=True)
    )
    return f'<div class="vae-maps">{maps}</div><div class="vae-legend">{legend}</div>'
