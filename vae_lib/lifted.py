"""`Lifting`: the likelihood as an inner product, for engines that search by inner products.

−½‖(z − μ)/σ‖² − Σ log σ − (d/2) log 2π is linear in [z², z]. So log q(z|x) is the inner product of
2d + 1 numbers of the garment with the vector [1, z², z]. Engines compute it in float32, with
rounding errors, so they only select candidates; `rerank` sorts these by their exact scores.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from vae_lib.posteriors import Posteriors, log_normalizer_of, sum_of_squares
from vae_lib.retrieval import PosteriorIndex, best_of

SPARE = 8  # candidates beyond k, because float32 may swap garments with almost equal scores
CHUNK = 100_000  # garments lifted at a time
LARGEST = 1e22  # of a garment's numbers: with z² up to 1e12, their products fit in float32


class Lifting:
    """Converts garments and queries to vectors with ⟨garment, query⟩ = log q(z|x).

    A garment has the 2d + 1 numbers [−½‖μ'/σ‖² − Σ log σ − (d/2) log 2π, −1/(2σ²), μ'/σ²], and a
    query has [1, z'², z']. Here μ' = μ − c and z' = z − c, where the centre c is the mean μ of all
    garments. Without c, in a latent space shifted by 100, the terms would be so large that their
    rounding errors exceed the differences between the scores.
    """

    def __init__(self, posteriors: Posteriors):
        self.centre = posteriors.mean.mean(dim=0, dtype=torch.float64)

    @classmethod
    def around(cls, centre: Float[Tensor, " latent"]) -> "Lifting":
        """Return the lifting with a given centre."""
        lifting = cls.__new__(cls)
        lifting.centre = centre
        return lifting

    @property
    def dimensions(self) -> int:
        """The length of a vector, 2d + 1."""
        return 2 * len(self.centre) + 1

    def garments(self, posteriors: Posteriors) -> Float[Tensor, "garment lifted"]:
        """Return the vectors of some garments, float64 [N, 2d + 1]."""
        std = posteriors.std.double()
        whitened = (posteriors.mean.double() - self.centre) / std
        constant = -0.5 * whitened.square().sum(dim=1) - posteriors.log_normalizer
        return torch.cat([constant[:, None], -0.5 / std.square(), whitened / std], dim=1)

    def rows(
        self, posteriors: Posteriors, size: int = CHUNK
    ) -> Iterator[tuple[slice, Float32[np.ndarray, "garment lifted"]]]:
        """Yield the vectors of garments as engines take them, `size` at a time.

        Raises:
            ValueError: float32 cannot hold a vector.
        """
        for start in range(0, len(posteriors), size):
            part = slice(start, min(start + size, len(posteriors)))
            vectors = self.garments(posteriors[part])
            if not (vectors.abs() < LARGEST).all():
                raise ValueError(
                    "posteriors: expected μ and σ whose μ²/σ² and 1/σ² stay below 1e22, so that"
                    f" float32 can hold them; garments {part.start} to {part.stop - 1} have others"
                    " among them"
                )
            yield part, vectors.float().cpu().numpy()

    def vectors(self, z: Float[Tensor, "query latent"]) -> Float[Tensor, "query lifted"]:
        """Return the vectors of queries, float32 [Q, 2d + 1]; z: float64."""
        centred = z - self.centre
        return torch.cat([centred.new_ones(len(z), 1), centred.square(), centred], dim=1).float()


def rerank(
    index: PosteriorIndex,
    z: Float[Tensor, "query latent"],
    candidates: Int64[Tensor, "query candidate"],
    k: int,
) -> tuple[Int64[Tensor, "query k"], Float[Tensor, "query k"]]:
    """Return the k best of each query's candidates by likelihood, with their exact scores.

    Args:
        index: the exact index of the same garments.
        z: float64 codes.
        candidates: indices of garments; −1 stands where an engine found none. A query with such a
            gap is searched exactly.
        k: how many garments to return, at most as many as there are candidates.
    """
    mean, std = index.posteriors.mean[candidates], index.posteriors.std[candidates]
    indices, scores = rank(z, candidates, mean, std, k)
    too_few = (candidates < 0).any(dim=1)
    if too_few.any():
        indices[too_few], scores[too_few] = index.search(z[too_few], k)
    return indices, scores


def rank(
    z: Float[Tensor, "query latent"],
    candidates: Int64[Tensor, "query candidate"],
    mean: Float[Tensor, "query candidate latent"],
    std: Float[Tensor, "query candidate latent"],
    k: int,
) -> tuple[Int64[Tensor, "query k"], Float[Tensor, "query k"]]:
    """Return the k best of each query's candidates by likelihood, from their μ and σ."""
    m2 = sum_of_squares(z[:, None], mean.double(), 1 / std.double())  # [Q, candidate]
    return best_of(candidates, -log_normalizer_of(std) - 0.5 * m2, k)
