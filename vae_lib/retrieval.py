"""Which garments are nearest to a z? The rules, exactly; the round trip; the gate."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vae_lib.model import VAE
from vae_lib.posteriors import Posteriors, as_queries, is_single, squared_distances

# each rule, and whether its best score is the largest one
RULES = {"likelihood": True, "euclidean": False, "mahalanobis": False, "scaled-euclidean": False}
FAMILIAR = 0.999  # the share of its own samples that a garment's ellipsoid holds
QUERIES_AT_ONCE = 64


class Neighbors:
    """The answer of a search: garments in order, best first, with their scores.

    `indices` (int64) and `scores` (float64) have the shape [k] for one z, [Q, k] for several.
    `familiar` says of a gated search which z lay inside some garment's ellipsoid, else it is None.
    """

    def __init__(
        self,
        indices: Int64[Tensor, "*query k"],
        scores: Float[Tensor, "*query k"],
        rule: str,
        log_normalizer: Callable[[], Float[Tensor, "*query 1"]] | None = None,
        familiar: Bool[Tensor, "*query"] | None = None,
    ):
        self.indices = indices
        self.scores = scores
        self.rule = rule
        self.familiar = familiar
        self._log_normalizer = log_normalizer

    @cached_property
    def probabilities(self) -> Float[Tensor, "*query k"] | None:
        """The probability that each garment returned made z; None for rules other than likelihood.

        Bayes' rule over all N garments of the index, equally likely beforehand:
        q(z|xᵢ) / Σₙ q(z|xₙ), a softmax of the log likelihoods. Computed on first access.
        """
        if self._log_normalizer is None:
            return None
        return (self.scores - self._log_normalizer()).exp()

    def __repr__(self) -> str:
        return f"Neighbors({self.rule!r}, indices={self.indices.tolist()})"


class PosteriorIndex:
    """Exact retrieval among the posteriors of a data set."""

    def __init__(
        self,
        posteriors: Posteriors | None = None,
        *,
        mean: Float[Tensor, "garment latent"] | None = None,
        std: Float[Tensor, "garment latent"] | None = None,
    ):
        """Take `posteriors`, or `mean` and `std` of shape [N, d]; errors as `Posteriors`."""
        if (posteriors is None) == (mean is None and std is None):
            raise TypeError("posteriors: give either posteriors, or mean and std")
        if posteriors is None:
            if mean is None or std is None:
                raise TypeError("mean and std: expected both, got one of them")
            posteriors = Posteriors(mean, std)
        if not isinstance(posteriors, Posteriors):
            raise TypeError(f"posteriors: expected Posteriors, got {type(posteriors).__name__}")
        self.posteriors = posteriors

    def __len__(self) -> int:
        return len(self.posteriors)

    @property
    def latent_dim(self) -> int:
        """The number of latent dimensions, d."""
        return self.posteriors.latent_dim

    @cached_property
    def rms_std(self) -> Float[Tensor, " latent"]:
        """The root mean square of σ over all garments: one scale for each dimension."""
        return self.posteriors.std.double().square().mean(dim=0).sqrt()

    def scores(self, z: object, rule: str = "likelihood") -> Float[Tensor, "query garment"]:
        """Return the score of every garment for every z, float64 [Q, N]; rules as in `search`."""
        posteriors = self.posteriors
        if rule == "likelihood":
            return posteriors.log_prob(z)
        if rule == "mahalanobis":
            return posteriors.mahalanobis2(z).sqrt_()
        if rule == "scaled-euclidean":
            return squared_distances(z, posteriors.mean, self.rms_std).sqrt_()
        if rule == "euclidean":
            one = posteriors.mean.new_ones(())
            return squared_distances(z, posteriors.mean, one).sqrt_()
        raise ValueError(f"rule: expected one of {', '.join(map(repr, RULES))}, got {rule!r}")

    def search(self, z: object, k: int = 10, rule: str = "likelihood") -> Neighbors:
        """Return the k best garments for each z, best first; of equals, the lower index first.

        z: [d] or [Q, d]; a tensor, an array or a list. The scores are those of the direct formula
        in float64:

        - "likelihood": log q(z|x) in nats, the largest first
        - "euclidean": ‖z − μ‖, the smallest first
        - "mahalanobis": ‖(z − μ)/σ‖, the smallest first
        - "scaled-euclidean": each dimension divided by its root mean square σ, the smallest first

        Raises a ValueError for z of the wrong width or not finite, k outside 1..N, an unknown rule.
        """
        if isinstance(k, bool) or not isinstance(k, int):
            raise TypeError(f"k: expected an int, got {type(k).__name__}")
        if not 1 <= k <= len(self):
            raise ValueError(f"k: expected 1 to {len(self)} (the number of garments), got {k}")
        if rule not in RULES:
            raise ValueError(f"rule: expected one of {', '.join(map(repr, RULES))}, got {rule!r}")
        queries = as_queries(z, self.latent_dim, self.posteriors.mean.device)
        blocks = queries.split(QUERIES_AT_ONCE)
        indices, scores = map(
            torch.cat,
            zip(*(_best(self.scores(b, rule), k, RULES[rule]) for b in blocks), strict=True),
        )

        def log_normalizer() -> Tensor:
            parts = [self.posteriors.log_prob(block).logsumexp(dim=1) for block in blocks]
            return torch.cat(parts).reshape(*scores.shape[:-1], 1)

        if is_single(z):
            indices, scores = indices[0], scores[0]
        return Neighbors(indices, scores, rule, log_normalizer if rule == "likelihood" else None)

    def mahalanobis2(self, z: object) -> Float[Tensor, " query"]:
        """Return the smallest Mahalanobis² of each z to any garment, float64 [Q].

        A draw from a garment's own posterior has a Mahalanobis² to it that follows χ² with d
        degrees of freedom; see `is_familiar`.
        """
        queries = as_queries(z, self.latent_dim, self.posteriors.mean.device)
        parts = [
            self.posteriors.mahalanobis2(block).amin(dim=1)
            for block in queries.split(QUERIES_AT_ONCE)
        ]
        return torch.cat(parts)

    def is_familiar(self, z: object) -> Bool[Tensor, " query"]:
        """Tell which z lie inside some garment's 99.9 % ellipsoid, bool [Q]."""
        # the distribution function of χ²(d) at m is the regularised gamma function P(d/2, m/2)
        half_d = torch.tensor(self.latent_dim / 2, dtype=torch.float64)
        smallest = self.mahalanobis2(z)
        return torch.special.gammainc(half_d.to(smallest.device), smallest / 2) < FAMILIAR

    def save(self, path: str | os.PathLike) -> Path:
        """Save the posteriors that the index is made of."""
        return self.posteriors.save(path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "PosteriorIndex":
        """Load what `save` saved; errors as `Posteriors.load`."""
        return cls(Posteriors.load(path))


def _best(scores: Float[Tensor, "query garment"], k: int, largest: bool) -> tuple[Tensor, Tensor]:
    """Return indices and scores of the k best, in order; of equals, the lower index first."""
    # topk breaks ties as it likes, so it only tells the k-th best score; everything at least as
    # good is then sorted by a sort that keeps equals in the order of their indices
    bound = scores.topk(k, dim=1, largest=largest).values[:, -1:]
    good = scores >= bound if largest else scores <= bound
    best = bound.new_empty((len(scores), k), dtype=torch.int64)
    for row, mask, target in zip(scores, good, best, strict=True):
        candidates = mask.nonzero().squeeze(1)
        order = row[candidates].sort(descending=largest, stable=True).indices
        target.copy_(candidates[order[:k]])
    return best, scores.gather(1, best)


@torch.no_grad()
def roundtrip(vae: VAE, z: object) -> Float[Tensor, "query latent"]:
    """Return the mean of q(z | decode(z)) for each z, [Q, d]: decode z, and encode the picture.

    The picture of a z that is like no garment is still a picture; the encoder takes it to a place
    where it has seen pictures. z: [d] or [Q, d]; errors as `as_queries`.
    """
    device = next(vae.parameters()).device
    queries = as_queries(z, vae.latent_dim, device).float()
    return vae.encode(vae.decode(queries)).mean


def gated_search(vae: VAE, index: PosteriorIndex, z: object, k: int = 10) -> Neighbors:
    """Rank by likelihood at z where z is familiar, else at its round trip.

    `.familiar` says which: whether z lies inside some garment's 99.9 % ellipsoid (its smallest
    Mahalanobis² is below the quantile of χ² with d degrees of freedom). Errors as `search`.
    """
    device = index.posteriors.mean.device
    queries = as_queries(z, index.latent_dim, device)
    familiar = index.is_familiar(queries)
    returned = roundtrip(vae, queries).to(device, torch.float64)
    used = torch.where(familiar[:, None], queries, returned)
    if is_single(z):
        used, familiar = used[0], familiar[0]
    neighbors = index.search(used, k)
    neighbors.familiar = familiar
    return neighbors
