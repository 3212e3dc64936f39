"""Codes worth looking at."""

import torch
from jaxtyping import Float
from torch import Tensor

from vae_lib.retrieval import PosteriorIndex

TRIED = 64  # draws, of which the most telling one is taken


def rules_disagree(index: PosteriorIndex, generator: torch.Generator) -> Float[Tensor, " latent"]:
    """Return the draw from a posterior for which likelihood and Euclidean share fewest of ten."""
    garments = torch.randint(len(index), (TRIED,), generator=generator, device="cpu")
    q = index.posteriors
    eps = torch.randn(TRIED, index.latent_dim, generator=generator, device="cpu")
    z = q.mean[garments].cpu() + q.std[garments].cpu() * eps
    k = min(10, len(index))
    rows = [index.search(z, k, rule).indices for rule in ("likelihood", "euclidean")]
    shared = (rows[0][:, :, None] == rows[1][:, None, :]).any(dim=2).sum(dim=1)
    return z[shared.argmin()]


def far_but_certain(
    index: PosteriorIndex, limit: float, generator: torch.Generator
) -> Float[Tensor, " latent"]:
    """Return a z within ±limit with the largest p of its winner, among those far from all."""
    z = limit * (2 * torch.rand(TRIED, index.latent_dim, generator=generator, device="cpu") - 1)
    found = index.search(z, 1)
    assert found.probabilities is not None  # the rule is the likelihood
    p = found.probabilities[:, 0].cpu() - 2.0 * index.is_familiar(z).cpu()
    return z[p.argmax()]
