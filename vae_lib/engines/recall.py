"""How much of the exact answer does an engine find?"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vae_lib.retrieval import Neighbors, PosteriorIndex


class RecallError(RuntimeError):
    """An engine finds less of the exact answer than it has to."""


@runtime_checkable
class Engine(Protocol):
    """What all engines have in common."""

    exact: PosteriorIndex

    def search(self, z: object, k: int = 10) -> Neighbors:
        """Return the k best garments for each z by likelihood."""


def recall(
    engine: Engine,
    z: Float[Tensor, "query latent"],
    k: int = 10,
    expected: Int64[Tensor, "query k"] | None = None,
) -> float:
    """Return recall@k: the mean share of the exact k best garments that the engine finds.

    expected: the exact answer, where it is known already. Raises a ValueError for no
    query, and as `PosteriorIndex.search`.
    """
    if len(z) == 0:
        raise ValueError("z: expected at least one query, got none")
    if expected is None:
        expected = engine.exact.search(z, k).indices
    found = engine.search(z, k).indices
    return float((found[:, :, None] == expected[:, None, :]).any(dim=1).double().mean())


def draws(exact: PosteriorIndex, count: int, seed: int) -> Float[Tensor, "query latent"]:
    """Return `count` draws from the posteriors of garments that are picked at random."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(exact), (count,), generator=generator, device="cpu")
    return exact.posteriors[chosen].sample(generator)
