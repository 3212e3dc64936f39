"""Positions worth visiting, chosen by a stated rule among seeded draws."""

import torch
from torch import Tensor

from vae_lib import PosteriorIndex

DRAWS = 2000
SHOWN = 10  # garments in a row


def presets(index: PosteriorIndex, labels: Tensor) -> list[dict]:
    """Return the page's presets: for each its name, a sentence about it, and z.

    The page begins at the first one. labels: the class of each garment, int64 [N].

    All z have two decimals, so that a reader can set them with the sliders.
    """
    generator = torch.Generator().manual_seed(0)
    prior = rounded(torch.randn(DRAWS, index.latent_dim, generator=generator))
    uniform = rounded(6 * torch.rand(DRAWS, index.latent_dim, generator=generator) - 3)
    near = prior[index.is_familiar(prior)]
    shared = overlap(index, near)
    return [
        {
            "id": "first",
            "name": "First example",
            "text": "A draw from the prior, near some garment: the rules share three to seven "
            "garments, and put garments of different classes first.",
            "z": first_example(index, near, labels).tolist(),
        },
        {
            "id": "disagree",
            "name": "The rules disagree",
            "text": "A draw from the prior, near some garment, on which the two rules share least.",
            "z": near[shared.argmin()].tolist(),
        },
        {
            "id": "far",
            "name": "Far but certain",
            "text": "Far from every garment, and yet one garment has nearly all the probability.",
            "z": far_but_certain(index, uniform).tolist(),
        },
        {
            "id": "origin",
            "name": "The origin",
            "text": "z = 0, the centre of the prior.",
            "z": [0.0] * index.latent_dim,
        },
    ]


def rounded(z: Tensor) -> Tensor:
    """Return z with two decimals, in float64."""
    return (z.double() * 100).round() / 100


def overlap(index: PosteriorIndex, z: Tensor) -> Tensor:
    """Return how many of the first ten garments two rules share, for each z."""
    first, second = (index.search(z, SHOWN, rule).indices for rule in ("likelihood", "euclidean"))
    return (first[:, :, None] == second[:, None, :]).sum(dim=(1, 2))


def first_example(index: PosteriorIndex, z: Tensor, labels: Tensor) -> Tensor:
    """Return the first z on which the rules share some garments, and disagree on the class."""
    by_rule = [index.search(z, 1, rule).indices[:, 0] for rule in ("likelihood", "euclidean")]
    differ = labels[by_rule[0]] != labels[by_rule[1]]
    shared = overlap(index, z)
    return z[(differ & (shared >= 3) & (shared <= 7)).float().argmax()]


def far_but_certain(index: PosteriorIndex, z: Tensor) -> Tensor:
    """Return the z that lies farthest among those where one garment has p of at least 99.9 %."""
    probabilities = index.search(z, 1).probabilities
    assert probabilities is not None  # only some rules have none
    certainty = probabilities[:, 0]
    distance = index.mahalanobis2(z)
    return z[torch.where(certainty >= 0.999, distance, -1).argmax()]
