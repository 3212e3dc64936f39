"""`Scan`: exact search that scores every garment, in torch, on any device."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vae_lib.posteriors import Posteriors, sum_of_squares
from vae_lib.search.formulas import Formula
from vae_lib.threads import one_thread

QUERIES = 64  # at a time
GARMENTS = 2**14  # at a time; with as many queries, 8 MB in float64


class Scan:
    """The search for machines without numba and for garments on a GPU."""

    def __init__(self, posteriors: Posteriors):
        self._posteriors = posteriors

    def best(
        self,
        z: Float[Tensor, "query latent"],
        k: int,
        formula: Formula,
        *,
        nearest: bool = False,
        threads: int = 1,
    ) -> tuple[Int64[Tensor, "query k"], Float[Tensor, "query k"], Float[Tensor, " query"]]:
        """As `Searcher.best`, except that `threads` is ignored: torch uses its own."""
        indices = torch.empty(len(z), k, dtype=torch.int64, device=z.device)
        scores, smallest = z.new_empty(len(z), k), z.new_full((len(z),), torch.inf)
        for start in range(0, len(z), QUERIES):
            block = slice(start, start + QUERIES)
            found = torch.empty(len(z[block]), 0, dtype=torch.int64, device=z.device)
            found_scores = z.new_empty(len(z[block]), 0)
            for part, m2 in self._squared_distances(z[block], formula):
                smallest[block] = smallest[block].minimum(m2.amin(dim=1))
                bias = -self._posteriors.log_normalizer[part]
                found_scores = torch.cat([found_scores, formula.scores(m2, bias)], dim=1)
                numbers = torch.arange(part.start, part.start + m2.shape[1], device=z.device)
                found = torch.cat([found, numbers.expand(m2.shape)], dim=1)
                # a stable sort keeps ties in the order of their indices
                found_scores, order = found_scores.sort(dim=1, descending=True, stable=True)
                found, found_scores = found.gather(1, order[:, :k]), found_scores[:, :k]
            indices[block], scores[block] = found, found_scores
        return indices, scores, smallest

    def log_sums(
        self, z: Float[Tensor, "query latent"], best: Float[Tensor, " query"], formula: Formula
    ) -> Float[Tensor, " query"]:
        """Return log Σₙ exp(scoreₙ) over all garments; `best` is not needed here."""
        total = torch.full_like(best, -torch.inf)
        for start in range(0, len(z), QUERIES):
            block = slice(start, start + QUERIES)
            for part, m2 in self._squared_distances(z[block], formula):
                scores = formula.scores(m2, -self._posteriors.log_normalizer[part])
                total[block] = torch.logaddexp(total[block], scores.logsumexp(dim=1))
        return total

    def _squared_distances(
        self, z: Float[Tensor, "query latent"], formula: Formula
    ) -> Iterator[tuple[slice, Float[Tensor, "query garment"]]]:
        """Yield slices of the garments, each with the M² of its garments."""
        mean, scale = self._posteriors.mean, formula.scale
        for start in range(0, len(mean), GARMENTS):
            part = slice(start, start + GARMENTS)
            own_scale = scale if scale.dim() == 1 else scale[part]
            with one_thread():
                m2 = sum_of_squares(z[:, None], mean[part].double(), 1 / own_scale.double())
            yield part, m2
