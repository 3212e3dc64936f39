"""Exact search for the garments nearest to z by every rule, the round trip, and the gate."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vae_lib._checks import require, require_int, require_number, require_one_of
from vae_lib.latent_model import LatentModel, evaluation_mode, like_weights, require_model
from vae_lib.posteriors import Posteriors, as_queries, is_single, squared_distances
from vae_lib.rules import RANKINGS, RULES
from vae_lib.search import Formula, Searcher, formula_of, searcher_for

FAMILIAR = 0.999  # the share of draws from a posterior that lie inside its ellipsoid
SHOWN = 3  # queries in the repr of an answer
GARMENTS_AT_ONCE = 2**18  # whose σ are converted to float64 at a time
NEEDED = ("encode", "decode", "latent_dim")  # what the round trip needs of a model
NU = (1e-6, 1e6)  # smallest and largest number of degrees of freedom of "student-t"


class Neighbors:
    """The answer of a search: garments in order, best first, with their scores.

    It unpacks as `indices, scores = index.search(z)`, and can be pickled.

    Attributes:
        indices: int64 [k] for one z, [Q, k] for several.
        scores: float64, of the same shape.
        rule: the rule that ranked the garments.
        familiar: after a gated search, which z lie inside some garment's ellipsoid; else None.
        is_bound: whether `log_normalizer` leaves out some of the garments. It is then a lower
            bound, and `probabilities` are upper bounds; see `MilvusIndex.open`.
    """

    def __init__(
        self,
        indices: Int64[Tensor, "*query k"],
        scores: Float[Tensor, "*query k"],
        rule: str,
        log_normalizer: Callable[[], Float[Tensor, "*query"]] | None = None,
        familiar: Bool[Tensor, "*query"] | None = None,
        is_bound: bool = False,
    ):
        self.indices = indices
        self.scores = scores
        self.rule = rule
        self.familiar = familiar
        self.is_bound = is_bound
        self._log_normalizer = log_normalizer

    @cached_property
    def log_normalizer(self) -> Float[Tensor, "*query"] | None:
        """log Σₙ q(z|xₙ) over all garments of the index; None for rules other than likelihood."""
        return None if self._log_normalizer is None else self._log_normalizer()

    @cached_property
    def probabilities(self) -> Float[Tensor, "*query k"] | None:
        """The probability that z is a draw from each returned garment's posterior.

        It follows from Bayes' rule with equal prior probabilities for all N garments of the index:
        q(z|xᵢ) / Σₙ q(z|xₙ), a softmax of the log likelihoods. It is computed on first access, and
        is None for rules other than likelihood.
        """
        if self.log_normalizer is None:
            return None
        return (self.scores - self.log_normalizer[..., None]).exp()

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the indices, then the scores."""
        yield self.indices
        yield self.scores

    def __len__(self) -> int:
        """Return the number of queries, or the number of garments for a single query."""
        return len(self.indices)

    def __getstate__(self) -> dict:
        """Return the state to pickle: the normalizer itself, not the function that computes it."""
        computed = {"log_normalizer": self.log_normalizer, "_log_normalizer": None}
        return vars(self) | computed

    def __repr__(self) -> str:
        bound = ", probabilities are upper bounds" if self.is_bound else ""
        if self.indices.dim() == 1:
            return f"Neighbors({self.rule!r}, indices={_shortened(self.indices)}{bound})"
        lines = [f"Neighbors({self.rule!r}, {len(self)} queries, k={self.indices.shape[1]}{bound}"]
        lines += [f"  {_shortened(row)}" for row in self.indices[:SHOWN]]
        lines += ["  ..."] if len(self) > SHOWN else []
        return "\n".join(lines) + ")"

    @classmethod
    def merge(
        cls, parts: Sequence["Neighbors"], k: int, starts: Sequence[int] | None = None
    ) -> "Neighbors":
        """Merge the answers of searches in parts of a data set into the answer for all of it.

        The result is exact if every part was searched with the same z and rule, and returned its k
        best garments, or all of its garments if it has fewer. Ties go to the lower index.

        Args:
            parts: the answers of the parts, which must not share a garment.
            k: how many garments to return for each query.
            starts: for each part, the index of its first garment in the data set; 0 by default.

        Returns:
            The k best garments, with the log normalizer of all parts together.

        Raises:
            ValueError: there is no part, the rules differ, or all parts together returned fewer
                than k garments.
        """
        starts = [0] * len(parts) if starts is None else starts
        if len({part.rule for part in parts}) != 1:
            raise ValueError(f"parts: expected answers by one rule, got {[p.rule for p in parts]}")
        rule = parts[0].rule
        shifted = [part.indices + start for part, start in zip(parts, starts, strict=True)]
        indices, scores = torch.cat(shifted, -1), torch.cat([part.scores for part in parts], -1)
        k = require_int("k", k, 1, indices.shape[-1])
        indices, scores = best_of(indices, scores, k, RULES[rule].larger_is_better)
        if rule != "likelihood":
            return cls(indices, scores, rule)
        normalizers = [part.log_normalizer for part in parts if part.log_normalizer is not None]
        total = torch.stack(normalizers).logsumexp(dim=0)
        return cls(indices, scores, rule, lambda: total, is_bound=any(p.is_bound for p in parts))


def best_of(
    indices: Int64[Tensor, "*query candidate"],
    scores: Float[Tensor, "*query candidate"],
    k: int,
    larger_is_better: bool = True,
) -> tuple[Int64[Tensor, "*query k"], Float[Tensor, "*query k"]]:
    """Return the k best candidates, best first; ties go to the lower index."""
    indices, order = indices.sort(dim=-1)
    # a stable sort keeps ties in the order of their indices
    scores, best = scores.gather(-1, order).sort(dim=-1, descending=larger_is_better, stable=True)
    return indices.gather(-1, best[..., :k]), scores[..., :k]


def _shortened(row: Int64[Tensor, " k"]) -> str:
    text = ", ".join(map(str, row[:10].tolist()))
    return f"[{text}, ...]" if len(row) > 10 else f"[{text}]"


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
        require("posteriors", posteriors, Posteriors, "Posteriors")
        self.posteriors = posteriors

    def __len__(self) -> int:
        return len(self.posteriors)

    def __repr__(self) -> str:
        return f"PosteriorIndex({len(self):,} garments, {self.latent_dim} latent dimensions)"

    @property
    def latent_dim(self) -> int:
        """The number of latent dimensions, d."""
        return self.posteriors.latent_dim

    @cached_property
    def rms_std(self) -> Float[Tensor, " latent"]:
        """The root mean square of σ over all garments: one scale for each dimension."""
        parts = self.posteriors.std.split(GARMENTS_AT_ONCE)
        squares = [part.double().square().sum(dim=0) for part in parts]
        return (torch.stack(squares).sum(dim=0) / len(self)).sqrt()

    @cached_property
    def searcher(self) -> Searcher:
        """The search structure: a `Tree`, or a `Scan` on a GPU or without numba."""
        return searcher_for(self.posteriors, self.rms_std)

    def scores(
        self, z: object, rule: str = "likelihood", *, nu: float = 1.0
    ) -> Float[Tensor, "query garment"]:
        """Return the score of every garment for every z, float64 [Q, N]; rules as in `search`."""
        formula = self._formula(rule, nu)
        m2 = squared_distances(z, self.posteriors.mean, formula.scale)
        return _reported(formula.scores(m2, -self.posteriors.log_normalizer), rule)

    def _formula(self, rule: str, nu: float = 1.0) -> Formula:
        require_one_of("rule", RANKINGS, rule)
        return formula_of(rule, self.posteriors, self.rms_std, require_number("nu", nu, *NU))

    def search(
        self,
        z: object,
        k: int = 10,
        rule: str = "likelihood",
        *,
        nu: float = 1.0,
        threads: int = 1,
    ) -> Neighbors:
        """Return the k best garments for each z, best first; ties go to the lower index.

        The answer is exact: it equals that of scoring every garment by the formula in float64.

        Args:
            z: [d] or [Q, d]; a tensor, an array or a list.
            k: how many garments to return, from 1 to N.
            rule: how to rank the garments:

                - "likelihood": log q(z|x) in nats, the largest first
                - "euclidean": ‖z − μ‖, the smallest first
                - "mahalanobis": ‖(z − μ)/σ‖, the smallest first
                - "scaled-euclidean": each dimension divided by its root mean square σ, the
                  smallest first
                - "student-t": the log density of a Student t distribution with location μ and
                  scale σ, the largest first

            nu: the degrees of freedom ν of "student-t"; other rules ignore it.
            threads: how many threads share the queries of a batch.

        Returns:
            Neighbors with `indices` and `scores` [k] for one z, [Q, k] for several.

        Raises:
            TypeError: z does not consist of real numbers, or k is not an integer.
            ValueError: z has the wrong width or is not finite, k is outside 1 to N, or the rule is
                unknown.
        """
        k, formula = require_int("k", k, 1, len(self)), self._formula(rule, nu)
        require_int("threads", threads, least=1)
        queries = as_queries(z, self.latent_dim, self.posteriors.mean.device)
        indices, scores, _ = self.searcher.best(queries, k, formula, threads=threads)
        return self._neighbors(z, queries, indices, _reported(scores, rule), rule)

    def _neighbors(
        self, z: object, queries: Tensor, indices: Tensor, scores: Tensor, rule: str
    ) -> Neighbors:
        """Return the answer to z, of shape [k] for a single z, else [Q, k]."""
        first = scores.select(1, 0)
        if is_single(z):
            indices, scores = indices[0], scores[0]
        if rule != "likelihood":
            return Neighbors(indices, scores, rule)
        best = first.clone()  # a copy, since the caller may change the answer

        def log_normalizer() -> Tensor:
            sums = self.searcher.log_sums(queries, best, self._formula(rule))
            return sums.reshape(scores.shape[:-1])

        return Neighbors(indices, scores, rule, log_normalizer)

    def mahalanobis2(self, z: object) -> Float[Tensor, " query"]:
        """Return the smallest Mahalanobis² of each z to any garment, float64 [Q].

        For a draw z from a garment's posterior, the Mahalanobis² to that garment follows χ² with d
        degrees of freedom; see `is_familiar`.
        """
        queries = as_queries(z, self.latent_dim, self.posteriors.mean.device)
        return self.searcher.best(queries, 1, self._formula("mahalanobis"), nearest=True)[2]

    @property
    def familiar_below(self) -> float:
        """The threshold of the gate: the 99.9 % quantile of χ² with d degrees of freedom."""
        from scipy.special import chdtri  # imported here, to save a cluster's client 15 MB

        return float(chdtri(self.latent_dim, 1 - FAMILIAR))

    def is_familiar(self, z: object) -> Bool[Tensor, " query"]:
        """Tell which z lie inside some garment's 99.9 % ellipsoid, bool [Q]."""
        return self.mahalanobis2(z) < self.familiar_below

    def save(self, path: str | os.PathLike) -> Path:
        """Save the posteriors, from which `load` builds the index again."""
        return self.posteriors.save(path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "PosteriorIndex":
        """Load a file that `save` wrote; errors as `Posteriors.load`."""
        return cls(Posteriors.load(path))


def _reported(scores: Tensor, rule: str) -> Tensor:
    """Undo the negation of distances, which makes a larger score better in every search."""
    return scores if RANKINGS[rule].larger_is_better else scores.neg_()


@torch.no_grad()
def roundtrip(vae: LatentModel, z: object) -> Float[Tensor, "query latent"]:
    """Return the mean of q(z | decode(z)) for each z, [Q, d]: decode z, and encode the picture.

    If z lies far from all garments, which is usual for random sliders, the result is nearer to
    them, but usually still unfamiliar.

    Args:
        vae: any model with `encode` and `decode`.
        z: [d] or [Q, d].

    Raises:
        TypeError: `vae` lacks a method, or z does not consist of real numbers.
        ValueError: z has the wrong width or is not finite.
    """
    require_model(vae, *NEEDED)
    queries = like_weights(vae, as_queries(z, vae.latent_dim).float())
    with evaluation_mode(vae):
        return vae.encode(like_weights(vae, vae.decode(queries))).mean


def roundtrip_search(
    vae: LatentModel, index: PosteriorIndex, z: object, k: int = 10, rule: str = "likelihood"
) -> Neighbors:
    """Search at the round trip of z; arguments and errors as `roundtrip` and `search`."""
    require("index", index, PosteriorIndex, "a PosteriorIndex")
    returned = roundtrip(vae, z)
    return index.search(returned[0] if is_single(z) else returned, k, rule)


def gated_search(vae: LatentModel, index: PosteriorIndex, z: object, k: int = 10) -> Neighbors:
    """Search by likelihood at each familiar z, and at the round trip of any other z.

    A z is familiar if it lies inside some garment's 99.9 % ellipsoid, that is, if its smallest
    Mahalanobis² is below the 99.9 % quantile of χ² with d degrees of freedom.

    Returns:
        Neighbors, with True in `familiar` for each familiar z. Errors as `search`.
    """
    require_model(vae, *NEEDED)
    require("index", index, PosteriorIndex, "a PosteriorIndex")
    k, formula = require_int("k", k, 1, len(index)), index._formula("likelihood")
    device = index.posteriors.mean.device
    queries = as_queries(z, index.latent_dim, device)
    indices, scores, m2 = index.searcher.best(queries, k, formula, nearest=True)
    familiar = m2 < index.familiar_below
    if not familiar.all():
        far = ~familiar
        queries[far] = roundtrip(vae, queries[far]).to(device, torch.float64)
        indices[far], scores[far], _ = index.searcher.best(queries[far], k, formula)
    neighbors = index._neighbors(z, queries, indices, scores, "likelihood")
    neighbors.familiar = familiar[0] if is_single(z) else familiar
    return neighbors


def search_by(
    vae: LatentModel, index: PosteriorIndex, z: object, k: int = 10, rule: str = "likelihood"
) -> Neighbors:
    """Search by any of `RULES`: those of `index.search`, "round trip" and "gate"."""
    if rule == "gate":
        return gated_search(vae, index, z, k)
    if rule == "round trip":
        return roundtrip_search(vae, index, z, k)
    return index.search(z, k, rule)
