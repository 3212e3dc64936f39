"""Which garments are nearest to a z? The rules, exactly; the round trip; the gate."""

import math
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from scipy.special import chdtri
from torch import Tensor

from vae_lib._checks import require
from vae_lib.lifted import LiftedForm, Lifting, neighbors_together
from vae_lib.model import VAE
from vae_lib.posteriors import Posteriors, as_queries, is_single, squared_distances
from vae_lib.threads import one_thread

# each rule, and whether its best score is the largest one
RULES = {"likelihood": True, "euclidean": False, "mahalanobis": False, "scaled-euclidean": False}
FAMILIAR = 0.999  # the share of its own samples that a garment's ellipsoid holds
QUERIES_AT_ONCE = 256
NEGLIGIBLE = 30.0  # nats: e to the minus this is 1e-13
SPARE = 8  # candidates beyond k, so that the last of them is clearly worse than the k-th
ORDERED_FROM = 200_000  # garments; fewer are all looked at sooner than sorted out
PAIRS = 2**18  # of a z and a garment, scored in float64 at a time


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
        self._forms: dict[str, LiftedForm] = {}

    def __len__(self) -> int:
        return len(self.posteriors)

    @property
    def latent_dim(self) -> int:
        """The number of latent dimensions, d."""
        return self.posteriors.latent_dim

    @cached_property
    def rms_std(self) -> Float[Tensor, " latent"]:
        """The root mean square of σ over all garments: one scale for each dimension."""
        squares = [part.double().square().sum(dim=0) for part in self.posteriors.std.split(PAIRS)]
        return (torch.stack(squares).sum(dim=0) / len(self)).sqrt()

    def scores(self, z: object, rule: str = "likelihood") -> Float[Tensor, "query garment"]:
        """Return the score of every garment for every z, float64 [Q, N]; rules as in `search`."""
        self._require_rule(rule)
        if rule == "likelihood":
            return self.posteriors.log_prob(z)
        return squared_distances(z, self.posteriors.mean, self._scale(rule)).sqrt_()

    def _require_k(self, k: int) -> None:
        if isinstance(k, bool) or not isinstance(k, int):
            raise TypeError(f"k: expected an int, got {type(k).__name__}")
        if not 1 <= k <= len(self):
            raise ValueError(f"k: expected 1 to {len(self)} (the number of garments), got {k}")

    def _require_rule(self, rule: str) -> None:
        if rule not in RULES:
            raise ValueError(f"rule: expected one of {', '.join(map(repr, RULES))}, got {rule!r}")

    def _scale(self, rule: str) -> Tensor:
        """Return what differences are divided by: σ [N, d], or [d] where it serves all garments."""
        if rule == "euclidean":
            return torch.ones_like(self.rms_std)
        return self.rms_std if rule == "scaled-euclidean" else self.posteriors.std

    def lifted_form(self, rule: str) -> LiftedForm:
        """Return the garments' lifted form under a rule, built when it is first needed."""
        if rule not in self._forms:
            bias = -self.posteriors.log_normalizer if rule == "likelihood" else None
            mean, scale = self.posteriors.mean, self._scale(rule)
            self._forms[rule] = LiftedForm(mean, scale, bias, self._order)
        return self._forms[rule]

    @cached_property
    def _order(self) -> Int64[Tensor, " column"] | None:
        """Similar garments together; None where it costs more than it saves."""
        if len(self) < ORDERED_FROM:
            return None
        return neighbors_together(self.posteriors.mean, self.rms_std.float())

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
        self._require_k(k)
        self._require_rule(rule)
        queries = as_queries(z, self.latent_dim, self.posteriors.mean.device)
        lifted = self.lifted_form(rule)
        with one_thread(), torch.inference_mode():  # a fifth less time for a single z
            found = [
                self._search_block(block, k, rule, lifted)
                for block in queries.split(QUERIES_AT_ONCE)
            ]
        # copies made outside of that mode are ordinary tensors, which autograd takes as well
        indices, scores = (torch.cat(parts) for parts in zip(*found, strict=True))
        return self._neighbors(z, queries, indices, scores, rule)

    def _neighbors(
        self, z: object, queries: Tensor, indices: Tensor, scores: Tensor, rule: str
    ) -> Neighbors:
        """Return an answer [Q, k] in the shape of the question: [k] for a single z."""
        best = scores[:, 0]
        if is_single(z):
            indices, scores = indices[0], scores[0]

        def log_normalizer() -> Tensor:
            return self._log_normalizer(queries, best).reshape(*scores.shape[:-1], 1)

        return Neighbors(indices, scores, rule, log_normalizer if rule == "likelihood" else None)

    def _search_block(
        self, queries: Float[Tensor, "query latent"], k: int, rule: str, lifted: LiftedForm
    ) -> tuple[Int64[Tensor, "query k"], Float[Tensor, "query k"]]:
        """Find candidates in float32, score them in float64, and make sure that none is missing."""
        candidates, left_out = lifted.candidates(queries, k + SPARE)
        return self._certified(queries, candidates, left_out, k, rule, lifted)

    def _certified(
        self,
        queries: Float[Tensor, "query latent"],
        candidates: Int64[Tensor, "query candidate"],
        left_out: Float[Tensor, " query"],
        k: int,
        rule: str,
        lifting: Lifting,
    ) -> tuple[Int64[Tensor, "query k"], Float[Tensor, "query k"]]:
        """Return the exact k best, given candidates and the best computed score outside of them."""
        indices, scores = self._best_of(queries, candidates, k, rule)
        # every garment that belongs in the answer is at least as good as the k-th found so far; and
        # then its computed score is at least this:
        kth = scores[:, -1] if RULES[rule] else -0.5 * scores[:, -1].square()
        needed = lifting.least_computed(queries, kth)
        for row, may_miss_one in enumerate((left_out >= needed).tolist()):
            if not may_miss_one:
                continue
            one = slice(row, row + 1)
            candidates = self.lifted_form(rule).at_least(queries[one], needed[row])[None]
            indices[one], scores[one] = self._best_of(queries[one], candidates, k, rule)
        return indices, scores

    def _best_of(
        self, queries: Tensor, candidates: Int64[Tensor, "query candidate"], k: int, rule: str
    ) -> tuple[Int64[Tensor, "query k"], Float[Tensor, "query k"]]:
        """Return the k best of each query's candidates; of equals, the lower index first."""
        candidates = candidates.sort(dim=1).values
        scores = self._scores_of(queries, candidates, rule)
        # a stable sort leaves equals in the order of their indices
        scores, order = scores.sort(dim=1, descending=RULES[rule], stable=True)
        return candidates.gather(1, order[:, :k]), scores[:, :k]

    def _scores_of(
        self, queries: Tensor, garments: Int64[Tensor, "query candidate"], rule: str
    ) -> Float[Tensor, "query candidate"]:
        """Return the scores of some garments for each query: `scores`, for a few of them."""
        columns = max(1, PAIRS // max(1, len(queries)))
        if garments.shape[1] > columns:
            parts = [
                self._scores_of(queries, part, rule) for part in garments.split(columns, dim=1)
            ]
            return torch.cat(parts, dim=1)
        scale = self._scale(rule)
        own_scale = scale[garments] if scale.dim() == 2 else scale
        difference = queries[:, None, :] - self.posteriors.mean[garments]  # [Q, candidates, d]
        squared = difference.mul_(own_scale.double().reciprocal()).square_().sum(dim=-1)
        if rule == "likelihood":
            return squared.mul_(-0.5).sub_(self.posteriors.log_normalizer[garments])
        return squared.sqrt_()

    def _log_normalizer(
        self, queries: Float[Tensor, "query latent"], best: Float[Tensor, " query"]
    ) -> Float[Tensor, " query"]:
        """Return log Σₙ q(z|xₙ), float64, given the log q of each query's best garment.

        Garments far behind the best one are left out: all N of them together could add no more
        than exp(−NEGLIGIBLE) to a sum of at least 1. The others are scored in float64.
        """
        lifted = self.lifted_form("likelihood")
        least = best - NEGLIGIBLE - math.log(len(self))
        needed = lifted.least_computed(queries, least)
        sums = []
        with one_thread():
            for one, threshold in zip(queries.split(1), needed, strict=True):
                some = lifted.at_least(one, threshold)
                scores = self._scores_of(one, some[None, :], "likelihood")
                sums.append(scores.logsumexp(dim=1))
        return torch.cat(sums) if sums else best

    def mahalanobis2(self, z: object) -> Float[Tensor, " query"]:
        """Return the smallest Mahalanobis² of each z to any garment, float64 [Q].

        A draw from a garment's own posterior has a Mahalanobis² to it that follows χ² with d
        degrees of freedom; see `is_familiar`.
        """
        return self.search(z, k=1, rule="mahalanobis").scores.square().reshape(-1)

    @property
    def familiar_below(self) -> float:
        """The 99.9 % quantile of χ² with d degrees of freedom: where the gate turns."""
        return float(chdtri(self.latent_dim, 1 - FAMILIAR))

    def is_familiar(self, z: object) -> Bool[Tensor, " query"]:
        """Tell which z lie inside some garment's 99.9 % ellipsoid, bool [Q]."""
        return self.mahalanobis2(z) < self.familiar_below

    def save(self, path: str | os.PathLike) -> Path:
        """Save the posteriors that the index is made of."""
        return self.posteriors.save(path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "PosteriorIndex":
        """Load what `save` saved; errors as `Posteriors.load`."""
        return cls(Posteriors.load(path))


@torch.no_grad()
def roundtrip(vae: VAE, z: object) -> Float[Tensor, "query latent"]:
    """Return the mean of q(z | decode(z)) for each z, [Q, d]: decode z, and encode the picture.

    The picture of a z that is like no garment is still a picture; the encoder takes it to a place
    where it has seen pictures. z: [d] or [Q, d]; errors as `as_queries`.
    """
    require("vae", vae, VAE, "a VAE")
    device = next(vae.parameters()).device
    queries = as_queries(z, vae.latent_dim, device).float()
    return vae.encode(vae.decode(queries)).mean


def gated_search(vae: VAE, index: PosteriorIndex, z: object, k: int = 10) -> Neighbors:
    """Rank by likelihood at z where z is familiar, else at its round trip.

    `.familiar` says which: whether z lies inside some garment's 99.9 % ellipsoid (its smallest
    Mahalanobis² is below the quantile of χ² with d degrees of freedom). Errors as `search`.
    """
    require("vae", vae, VAE, "a VAE")
    require("index", index, PosteriorIndex, "a PosteriorIndex")
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
