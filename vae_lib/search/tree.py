"""`Tree`: garments in the leaves of a k-d tree, searched by the compiled kernel."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vae_lib.posteriors import Posteriors
from vae_lib.search import kernel
from vae_lib.search.formulas import Formula

LEAF = 256  # the largest number of garments in a leaf
SAMPLE = 256  # garments of a part that suffice to estimate its widest dimension


def sort_into_leaves(points: Float[np.ndarray, "latent garment"]) -> list[np.ndarray]:
    """Return the garments of each leaf; the sizes of leaves differ by at most one.

    Each part is halved at the median of the dimension with the largest variance, until no part has
    more than `LEAF` garments.

    Reference:
        Friedman, Bentley and Finkel, An Algorithm for Finding Best Matches in Logarithmic Expected
        Time (1977).
    """
    parts = [np.arange(points.shape[1])]
    while max(map(len, parts)) > LEAF:
        halves = []
        for part in parts:
            sample = part[:: -(-len(part) // SAMPLE)]
            widest = points[:, sample].var(axis=1).argmax()
            middle = len(part) // 2
            order = np.argpartition(points[widest, part], middle)
            # sorted, because the order within a half depends on the processor
            halves += [np.sort(part[order[:middle]]), np.sort(part[order[middle:]])]
        parts = halves
    return parts


class Tree:
    """Exact search that skips every leaf in which no garment can be good enough.

    The box around the means of a leaf, its largest scale in each dimension and its largest bias
    give an upper bound on the scores of its garments.
    """

    def __init__(self, posteriors: Posteriors, rms_std: Float[Tensor, " latent"]):
        self._posteriors = posteriors
        self._shared_scales: dict[tuple[float, ...], tuple[np.ndarray, np.ndarray]] = {}
        points = (posteriors.mean.double() / rms_std).T.contiguous().numpy()
        parts = sort_into_leaves(points)
        self.sizes = np.array([len(part) for part in parts])
        width = -(-self.sizes.max() // 8) * 8  # rows of a multiple of 8 numbers are read faster
        # a shorter leaf is padded with copies of its last garment, which the kernel ignores
        self.member = np.stack([np.pad(part, (0, width - len(part)), "edge") for part in parts])
        self.mean = self._by_leaf(posteriors.mean.numpy())  # [leaf, d, width], float32
        self.low = np.ascontiguousarray(self.mean.min(axis=2).T)  # [d, leaf]
        self.high = np.ascontiguousarray(self.mean.max(axis=2).T)
        self.bias = -posteriors.log_normalizer.numpy()[self.member]  # [leaf, width]
        self.best_bias = self.bias.max(axis=1)

    def __len__(self) -> int:
        """Return the number of leaves."""
        return len(self.sizes)

    def _by_leaf(self, numbers: np.ndarray) -> np.ndarray:
        """Rearrange numbers [N, d] to [leaf, d, width], so that a leaf's numbers are contiguous."""
        return np.ascontiguousarray(numbers[self.member].transpose(0, 2, 1))

    @cached_property
    def _own_scales(self) -> tuple[np.ndarray, np.ndarray]:
        """The smallest 1/σ of each leaf and dimension, and 1/σ of all garments by leaf."""
        inverse = self._by_leaf(1 / self._posteriors.std.double().numpy())
        return np.ascontiguousarray(inverse.min(axis=2).T), inverse

    def _one_scale(self, scale: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return the same for one scale [d] that all garments share, [1, d, 1], and cache it."""
        if scale not in self._shared_scales:
            inverse = (1 / np.array(scale))[:, None]
            smallest = inverse.repeat(len(self), axis=1)
            self._shared_scales[scale] = smallest, inverse[None]
        return self._shared_scales[scale]

    def leaves(self, formula: Formula) -> tuple[np.ndarray, ...]:
        """Return the arrays of all leaves, in the order in which the kernel unpacks them."""
        if formula.scale.dim() == 2:
            smallest, inverse = self._own_scales
        else:
            smallest, inverse = self._one_scale(tuple(formula.scale.tolist()))
        return (
            *(self.low, self.high, smallest, self.best_bias),
            *(self.mean, inverse, self.bias, self.member, self.sizes),
        )

    def best(
        self,
        z: Float[Tensor, "query latent"],
        k: int,
        formula: Formula,
        *,
        nearest: bool = False,
        threads: int = 1,
    ) -> tuple[Int64[Tensor, "query k"], Float[Tensor, "query k"], Float[Tensor, " query"]]:
        """As `Searcher.best`."""
        queries = z.numpy()
        count = len(queries)
        garments, scores = np.empty((count, k), dtype=np.int64), np.empty((count, k))
        smallest = np.full(count, np.inf if nearest else -np.inf)
        leaves = self.leaves(formula)

        def search(part: slice) -> None:
            kernel.best_garments(
                queries[part],
                *(leaves, formula.form, formula.nu, formula.constant),
                *(smallest[part], scores[part], garments[part]),
            )

        _share(search, count, threads)
        found = torch.from_numpy(garments), torch.from_numpy(scores)
        return *found, torch.from_numpy(smallest)

    def log_sums(
        self, z: Float[Tensor, "query latent"], best: Float[Tensor, " query"], formula: Formula
    ) -> Float[Tensor, " query"]:
        """Return log Σₙ exp(scoreₙ) over all garments, given the best score of each query."""
        total = torch.empty_like(best)
        kernel.log_sums(z.numpy(), self.leaves(formula), best.numpy(), total.numpy())
        return total


def _share(work: Callable[[slice], None], count: int, threads: int) -> None:
    """Call `work` on slices of range(count), in several threads."""
    if threads == 1 or count < 2:
        return work(slice(0, count))
    step = -(-count // threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [slice(i, i + step) for i in range(0, count, step)]))
