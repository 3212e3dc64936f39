"""Exact search by every ranking: a compiled k-d tree on the CPU, a plain scan elsewhere."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

from vae_lib.posteriors import Posteriors
from vae_lib.search.formulas import Formula, formula_of
from vae_lib.search.scan import Scan

__all__ = ["Formula", "Scan", "Searcher", "formula_of", "searcher_for"]


@runtime_checkable
class Searcher(Protocol):
    """The interface of `Tree` and `Scan`."""

    def best(
        self,
        z: Float[Tensor, "query latent"],
        k: int,
        formula: Formula,
        *,
        nearest: bool = False,
        threads: int = 1,
    ) -> tuple[Int64[Tensor, "query k"], Float[Tensor, "query k"], Float[Tensor, " query"]]:
        """Return the k best garments, their scores, and the smallest M² to any garment.

        Larger scores are better; ties go to the lower index.

        Args:
            z: float64 codes [Q, d].
            k: how many garments, at most N.
            formula: the score.
            nearest: whether to compute the smallest M²; if False, ignore the third result.
            threads: how many threads share the queries.
        """

    def log_sums(
        self, z: Float[Tensor, "query latent"], best: Float[Tensor, " query"], formula: Formula
    ) -> Float[Tensor, " query"]:
        """Return log Σₙ exp(scoreₙ) over all garments, given the best score of each query."""


def searcher_for(posteriors: Posteriors, rms_std: Float[Tensor, " latent"]) -> Searcher:
    """Return a `Tree`, or a `Scan` where numba cannot be imported or the garments are on a GPU."""
    if posteriors.mean.device.type != "cpu":
        return Scan(posteriors)
    try:
        from vae_lib.search.tree import Tree
    except ImportError:
        return Scan(posteriors)
    return Tree(posteriors, rms_std)
