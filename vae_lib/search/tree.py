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

LEAF = 256  # garments in a leaf, at the most; at least half as many unless there are fewer in all
SAMPLE = 256  # garments of a part that are asked where it spreads most


def sort_into_leaves(points: Float[np.ndarray, "latent garment"]) -> list[np.ndarray]:
    """Return the garments of each leaf, whose sizes differ by one at the most.

    All garments are halved at the median of the dimension in which they spread most, and the
    halves again.

    Reference: Friedman, Bentley and Finkel, *An Algorithm for Finding Best Matches in Logarithmic
        Expected Time* (1977).
    """
    parts = [np.arange(points.shape[1])]
    while max(map(len, parts)) > LEAF:
        halves = []
        for part in parts:
            sample = part[:: -(-len(part) // SAMPLE)]
            widest = points[:, sample].var(axis=1).argmax()
            middle = len(part) // 2
            order = np.argpartition(points[widest, part], middle)
            # sorted, since processors leave the garments of a half in different orders
            halves += [np.sort(part[order[:middle]]), np.sort(part[order[middle:]])]
        parts = halves
    return parts


class Tree:
    """Exact search that looks only into leaves in which a good enough garment can be.

    Of each leaf we know the box of its means, its largest scales and its largest bias, and so a
    bound on every score in it.
    """

    def __init__(self, posteriors: Posteriors, rms_std: Float[Tensor, " latent"]):
        self._posteriors = posteriors
        self._kept: dict[tuple[float, ...], tuple[np.ndarray, np.ndarray]] = {}
        points = (posteriors.mean.double() / rms_std).T.contiguous().numpy()
        parts = sort_into_leaves(points)
        self.sizes = np.array([len(part) for part in parts])
        width = -(-self.sizes.max() // 8) * 8  # a multiple of 8 numbers is read faster
        # a shorter leaf is filled up with its last garment, which the kernel then passes over
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
        """Return numbers [N, d] as [leaf, d, width]: a leaf's numbers lie side by side."""
        return np.ascontiguousarray(numbers[self.member].transpose(0, 2, 1))

    @cached_property
    def _own_scales(self) -> tuple[np.ndarray, np.ndarray]:
        """1/σ of all garments by leaf, and the smallest one of each leaf and dimension."""
        inverse = self._by_leaf(1 / self._posteriors.std.double().numpy())
        return np.ascontiguousarray(inverse.min(axis=2).T), inverse

    def _one_scale(self, scale: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        """The same where one scale serves all garments; kept, since there are two such rules."""
        if scale not in self._kept:
            inverse = (1 / np.array(scale))[:, None]
            smallest = inverse.repeat(len(self), axis=1)
            self._kept[scale] = smallest, inverse.repeat(self.mean.shape[2], axis=1)[None]
        return self._kept[scale]

    def leaves(self, formula: Formula) -> tuple[np.ndarray, ...]:
        """Return what the kernel needs to know of the garments."""
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
        garments, scores = np.empty((len(z), k), dtype=np.int64), np.empty((len(z), k))
        smallest = np.full(len(z), np.inf if nearest else -np.inf)
        leaves = self.leaves(formula)

        def search(some: slice) -> None:
            kernel.best_garments(
                queries[some],
                *(leaves, formula.form, formula.nu, formula.constant),
                *(smallest[some], scores[some], garments[some]),
            )

        _share(search, len(z), threads)
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
    """Let several threads do `count` pieces of work, of which each slice is independent."""
    if threads == 1 or count < 2:
        return work(slice(0, count))
    step = -(-count // threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [slice(i, i + step) for i in range(0, count, step)]))
