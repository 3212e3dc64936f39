"""Larger wardrobes, made from a real one."""

import operator

import torch

from vae_lib.posteriors import Posteriors
from vae_lib.retrieval import PosteriorIndex

PAIRS = 2000  # garments and their nearest ones, from which the spread of log σ is estimated
CHUNK = 1_000_000  # garments made at a time


def resampled(posteriors: Posteriors, count: int, seed: int = 0) -> Posteriors:
    """Return `count` posteriors that are distributed like the given ones, but all different.

    Each begins as a copy of a garment picked at random. Its mean moves to a draw from its own
    posterior, μ + σ⊙ε, and its log σ gets noise as large as the difference between the log σ of
    neighbours: per dimension the standard deviation of that difference, over √2, estimated from
    2,000 garments and the garment nearest to each. It is a wardrobe with the shape of the real
    one and as much detail; what a million *other* garments would add to it, nobody knows from
    these.
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
