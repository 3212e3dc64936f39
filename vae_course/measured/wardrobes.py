"""Resampling: large synthetic wardrobes with the distribution of a real one."""

import operator

import torch

from vae_lib.posteriors import Posteriors
from vae_lib.retrieval import PosteriorIndex

PAIRS = 2000  # pairs of neighbours from which we estimate the spread of log σ
CHUNK = 1_000_000  # garments computed at a time


def resampled(posteriors: Posteriors, count: int, seed: int = 0) -> Posteriors:
    """Return `count` different posteriors with the distribution of the given ones.

    Each new posterior starts as a copy of a random garment. Its mean becomes a draw from that
    garment's posterior, μ + σ⊙ε, and Gaussian noise is added to its log σ. In each dimension, the
    standard deviation of the noise is that of the difference between neighbours' log σ, divided by
    √2; we estimate it from 2,000 garments and the nearest garment of each. The result has the
    shape and the detail of the real wardrobe, but it cannot show what further real garments would
    add.

    Args:
        posteriors: the real wardrobe.
        count: the number of new garments.
        seed: the seed of all draws.
    """
    count = operator.index(count)
    generator = torch.Generator().manual_seed(operator.index(seed))
    index = PosteriorIndex(posteriors)
    some = torch.randperm(len(posteriors), generator=generator)[:PAIRS]
    nearest = index.search(posteriors.mean[some], k=2).indices  # [2000, 2]
    other = torch.where(nearest[:, 0] == some, nearest[:, 1], nearest[:, 0])
    difference = posteriors.std[some].log() - posteriors.std[other].log()
    spread = difference.square().mean(dim=0).sqrt() / 2**0.5  # [d]
    mean, std = (torch.empty(count, posteriors.latent_dim) for _ in range(2))
    for start in range(0, count, CHUNK):
        part = slice(start, min(start + CHUNK, count))
        chosen = torch.randint(len(posteriors), (len(mean[part]),), generator=generator)
        copies = posteriors[chosen]
        mean[part] = copies.sample(generator)
        noise = spread * torch.randn(copies.std.shape, generator=generator)
        std[part] = copies.std * noise.exp()
    return Posteriors(mean, std)
