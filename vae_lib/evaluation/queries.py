"""Sources of latent codes z to evaluate on: posteriors, held-out images, the prior, sliders."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vae_lib.data import Images
from vae_lib.encoding import encode_dataset
from vae_lib.latent_model import LatentModel
from vae_lib.posteriors import Posteriors

PERCENTILES = (0.001, 0.999)  # the range of a percentile slider


@dataclass(frozen=True)
class Queries:
    """Latent codes, with what is known about the garment that produced each of them.

    Each attribute other than z is None if it is unknown, for example for z from the prior.

    Attributes:
        z: the codes, [Q, d].
        garment: the index of the garment in the wardrobe that is searched, [Q].
        label: the class of the garment, [Q].
        factors: the factors of a drawn garment, [Q, F].
    """

    z: Float[Tensor, "query latent"]
    garment: Int64[Tensor, " query"] | None = None
    label: Int64[Tensor, " query"] | None = None
    factors: Float[Tensor, "query factor"] | None = None


def from_posteriors(
    posteriors: Posteriors, images: Images, count: int, generator: torch.Generator
) -> Queries:
    """Draw garments of the wardrobe uniformly at random, and one z from the q(z|x) of each."""
    garment = torch.randint(len(posteriors), (count,), generator=generator, device="cpu")
    return Queries(
        posteriors[garment].sample(generator),
        garment,
        images.train_labels[garment],
        None if images.train_factors is None else images.train_factors[garment],
    )


def from_held_out(
    vae: LatentModel, images: Images, count: int, generator: torch.Generator
) -> Queries:
    """Draw held-out garments without replacement, and one z from the q(z|x) of each.

    No garment is used twice, so the z are independent and intervals over them are valid. If there
    are fewer than `count` held-out garments, the result has one z for each.

    Raises:
        ValueError: there is no held-out garment.
    """
    if not len(images.test_images):
        raise ValueError("images: expected at least one held-out picture in test_images, got none")
    chosen = torch.randperm(len(images.test_images), generator=generator, device="cpu")[:count]
    return Queries(
        encode_dataset(vae, images.test_images[chosen]).sample(generator),
        None,
        images.test_labels[chosen],
        None if images.test_factors is None else images.test_factors[chosen],
    )


def from_percentiles(latent_dim: int, count: int, generator: torch.Generator) -> Queries:
    """Draw zⱼ = Φ⁻¹(uⱼ) with uⱼ uniform, clamped to the range of percentile sliders."""
    u = torch.rand(count, latent_dim, generator=generator, device="cpu", dtype=torch.float64)
    return Queries(torch.special.ndtri(u.clamp(*PERCENTILES)).float())


def uniform(latent_dim: int, count: int, generator: torch.Generator, limit: float) -> Queries:
    """Draw each zⱼ uniformly from [−limit, limit], as from sliders set at random."""
    u = torch.rand(count, latent_dim, generator=generator, device="cpu")
    return Queries(limit * (2 * u - 1))


def all_sources(
    vae: LatentModel, posteriors: Posteriors, images: Images
) -> dict[str, Callable[[int, torch.Generator], Queries]]:
    """Return every source of z by name.

    Args:
        vae: the model that encodes the held-out images.
        posteriors: the posteriors of the training images.
        images: the images.

    Returns:
        For each name a function of a count and a generator that returns `Queries`.
    """
    d = posteriors.latent_dim
    return {
        "posterior": lambda count, g: from_posteriors(posteriors, images, count, g),
        "held-out": lambda count, g: from_held_out(vae, images, count, g),
        # N(0, I)
        "prior": lambda count, g: Queries(torch.randn(count, d, generator=g, device="cpu")),
        "percentiles": lambda count, g: from_percentiles(d, count, g),
        "uniform 3": lambda count, g: uniform(d, count, g, 3.0),
        "uniform 5": lambda count, g: uniform(d, count, g, 5.0),
    }
