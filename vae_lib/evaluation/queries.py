"""Where a z comes from: out of a garment, out of the prior, or out of a person's sliders."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vae_lib.data import Images
from vae_lib.model import VAE
from vae_lib.posteriors import Posteriors, encode_dataset

PERCENTILES = (0.001, 0.999)  # where a percentile slider ends


@dataclass(frozen=True)
class Queries:
    """Codes z [Q, d], and what is known of the garment each came from: None where there is none.

    garment: its index in the wardrobe that is searched. label, factors: its class and, for drawn
    garments, what it was drawn from.
    """

    z: Float[Tensor, "query latent"]
    garment: Int64[Tensor, " query"] | None = None
    label: Int64[Tensor, " query"] | None = None
    factors: Float[Tensor, "query factor"] | None = None


def from_posteriors(
    posteriors: Posteriors, images: Images, count: int, generator: torch.Generator
) -> Queries:
    """Choose garments of the wardrobe at random, all equally likely; draw z from their q(z|x)."""
    garment = torch.randint(len(posteriors), (count,), generator=generator)
    return Queries(
        posteriors[garment].sample(generator),
        garment,
        images.train_labels[garment],
        None if images.train_factors is None else images.train_factors[garment],
    )


def from_held_out(vae: VAE, images: Images, count: int, generator: torch.Generator) -> Queries:
    """Choose garments that the model never saw, and draw a z from the q(z|x) of each.

    No garment is chosen twice, so that the z are independent and their intervals hold. There are
    fewer than `count` z where fewer garments were held out.
    """
    chosen = torch.randperm(len(images.test_images), generator=generator)[:count]
    return Queries(
        encode_dataset(vae, images.test_images[chosen]).sample(generator),
        None,
        images.test_labels[chosen],
        None if images.test_factors is None else images.test_factors[chosen],
    )


def from_prior(latent_dim: int, count: int, generator: torch.Generator) -> Queries:
    """Draw z from the prior, N(0, I)."""
    return Queries(torch.randn(count, latent_dim, generator=generator))


def from_percentiles(latent_dim: int, count: int, generator: torch.Generator) -> Queries:
    """Set percentile sliders at random: zⱼ = Φ⁻¹(uⱼ), uⱼ uniform up to the sliders' ends."""
    u = torch.rand(count, latent_dim, generator=generator, dtype=torch.float64)
    return Queries(torch.special.ndtri(u.clamp(*PERCENTILES)).float())


def uniform(latent_dim: int, count: int, generator: torch.Generator, limit: float) -> Queries:
    """Set plain sliders at random: zⱼ uniform in [−limit, limit]."""
    return Queries(limit * (2 * torch.rand(count, latent_dim, generator=generator) - 1))


def all_sources(
    vae: VAE, posteriors: Posteriors, images: Images
) -> dict[str, Callable[[int, torch.Generator], Queries]]:
    """Return every source of z by its name, as a function of a count and a generator."""
    d = posteriors.latent_dim
    return {
        "posterior": lambda count, g: from_posteriors(posteriors, images, count, g),
        "held-out": lambda count, g: from_held_out(vae, images, count, g),
        "prior": lambda count, g: from_prior(d, count, g),
        "percentiles": lambda count, g: from_percentiles(d, count, g),
        "uniform 3": lambda count, g: uniform(d, count, g, 3.0),
        "uniform 5": lambda count, g: uniform(d, count, g, 5.0),
    }
