"""Recall: the share of the exact answer that an engine finds."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vae_lib.retrieval import Neighbors, PosteriorIndex


class RecallError(RuntimeError):
    """The recall of an engine is below the required value."""


@runtime_checkable
class Engine(Protocol):
    """The interface of an engine whose recall can be measured."""

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

    Args:
        engine: the engine to measure.
        z: the queries.
        k: the number of garments in an answer.
        expected: the indices of the exact answer; by default `recall` computes them.

    Raises:
        ValueError: there is no query; other errors as `PosteriorIndex.search`.
    """
    if len(z) == 0:
        raise ValueError("z: expected at least one query, got none")
    if expected is None:
        expected = engine.exact.search(z, k).indices
    found = engine.search(z, k).indices
    return float((found[:, :, None] == expected[:, None, :]).any(dim=1).double().mean())


def draws(exact: PosteriorIndex, count: int, seed: int) -> Float[Tensor, "query latent"]:
    """Return draws from the posteriors of `count` garments, which are chosen at random."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(exact), (count,), generator=generator, device="cpu")
    return exact.posteriors[chosen].sample(generator)
