"""`FaissIndex`: the likelihood as an inner product that FAISS searches, exactly or in cells."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from vae_lib._checks import require_int
from vae_lib._files import load_tensors, save_tensors
from vae_lib.engines.recall import draws, recall
from vae_lib.lifted import Lifting
from vae_lib.posteriors import Posteriors, as_queries, posteriors_from
from vae_lib.retrieval import SPARE, Neighbors, PosteriorIndex

KIND = "vae_lib FAISS index"
CHUNK = 100_000  # garments lifted at a time
SAMPLE_PER_CELL = 64  # garments that k-means looks at, for each cell
# how much of the spread of a cell's means counts as σ²: among 1 million garments a tenth saves a
# fifth of the cells for z from the data, and more of it costs recall far from them
SPREAD = 0.1

Cells = Int64[Tensor, " garment"]  # the number of the cell that each garment is in


def import_faiss() -> Any:
    """Import FAISS, or raise a ModuleNotFoundError that says how to get it."""
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "FAISS is not installed: `python3 course.py lab` brings it, or pip install faiss-cpu"
        ) from error
    return faiss


def lifted_rows(
    posteriors: Posteriors, lifting: Lifting, size: int = CHUNK
) -> Iterator[tuple[slice, Float32[np.ndarray, "garment lifted"]]]:
    """Yield the lifted vectors of all garments, `size` at a time, as engines take them.

    Raises a ValueError where float32 cannot hold one.
    """
    for start in range(0, len(posteriors), size):
        part = slice(start, min(start + size, len(posteriors)))
        some = posteriors[part]
        rows = lifting.garments(some.mean, some.std, -some.log_normalizer).float()
        if not rows.isfinite().all():
            raise ValueError(
                "posteriors: expected μ and σ whose μ²/σ² and 1/σ² stay below 1e22, so that float32"
                f" can hold them; garments {part.start} to {part.stop - 1} have others among them"
            )
        yield part, rows.cpu().numpy()


class FaissIndex:
    """Search by likelihood with FAISS (Douze et al., The Faiss library, 2024).

    Without cells it is exact: every garment is compared, and the answer is certified as that of
    `PosteriorIndex` is. With cells (an inverted file, IVF), garments are sorted into groups by
    k-means on μ/σ̄, and a query looks into the `nprobe` cells whose *average Gaussian* gives it
    the highest likelihood. What is found is ranked by the exact formula; a garment in a cell that
    was not looked into is missed. `tune` chooses `nprobe`.
    """

    def __init__(self, posteriors: Posteriors, cells: int | None = None, seed: int = 0):
        """Build the index. cells: None for an exact one, else how many; 4 √N is a good number.

        Raises a ValueError where there are fewer garments than cells, or numbers that float32
        cannot hold in lifted form.
        """
        import_faiss()
        require_int("seed", seed, least=0)
        if cells is not None:
            require_int("cells", cells, least=1)
        if cells is not None and cells > len(posteriors):
            raise ValueError(f"cells: expected 1 to {len(posteriors)} or None, got {cells}")
        self._take(posteriors)
        self._build(None if cells is None else self._sorted_into(cells, seed))

    def _take(self, posteriors: Posteriors) -> None:
        self.exact = PosteriorIndex(posteriors)
        self.lifting = Lifting(posteriors.mean, posteriors.std, -posteriors.log_normalizer)

    def _build(self, cell_of: Cells | None) -> None:
        """Fill FAISS's index: an exact one, or one with the cells that garments are in."""
        faiss = import_faiss()
        self.cell_of = cell_of
        self.index = flat = faiss.IndexFlatIP(self.lifting.dimensions)
        posteriors = self.exact.posteriors
        if cell_of is None:
            for _, rows in lifted_rows(posteriors, self.lifting):
                flat.add(rows)
            return
        averages = self._averages(cell_of)
        for _, rows in lifted_rows(averages, self.lifting):
            flat.add(rows)
        metric = faiss.METRIC_INNER_PRODUCT
        self.index = faiss.IndexIVFFlat(flat, self.lifting.dimensions, len(averages), metric)
        self.index.is_trained = True  # the cells are known already
        for part, rows in lifted_rows(posteriors, self.lifting):
            arrays = (rows, np.arange(part.start, part.stop), cell_of[part].numpy())
            self.index.add_core(len(rows), *map(faiss.swig_ptr, arrays))

    def _sorted_into(self, cells: int, seed: int) -> Cells:
        """Return the cell of each garment, by k-means; one that no garment is in is dropped."""
        points = (self.exact.posteriors.mean / self.exact.rms_std.float()).cpu().numpy()
        kmeans = import_faiss().Kmeans(
            points.shape[1],
            cells,
            niter=10,
            seed=seed % 2**31,
            min_points_per_centroid=1,
            max_points_per_centroid=SAMPLE_PER_CELL,
        )
        kmeans.train(points)
        _, nearest = kmeans.index.search(points, 1)
        return torch.from_numpy(nearest[:, 0]).unique(return_inverse=True)[1]

    def _averages(self, cell_of: Cells) -> Posteriors:
        """Return the average Gaussian of each cell.

        Its mean is that of the means, its variance that of the variances, and a part of the
        variance of the means, since a cell reaches as far.
        """
        posteriors = self.exact.posteriors
        count = cell_of.bincount()[:, None].double()
        total = torch.zeros(len(count), posteriors.latent_dim, dtype=torch.float64)
        mean = total.index_add(0, cell_of, posteriors.mean.cpu().double()) / count
        variance = total.index_add(0, cell_of, posteriors.std.cpu().double().square()) / count
        away = (posteriors.mean.cpu().double() - mean[cell_of]).square()
        variance += SPREAD * total.index_add(0, cell_of, away) / count
        return Posteriors(mean, variance.sqrt())

    def __len__(self) -> int:
        return len(self.exact)

    @property
    def cells(self) -> int | None:
        """The number of cells, None where the index is exact."""
        return getattr(self.index, "nlist", None)

    @property
    def nprobe(self) -> int | None:
        """The number of cells that a query looks into, None where the index is exact."""
        return getattr(self.index, "nprobe", None)

    @nprobe.setter
    def nprobe(self, number: int) -> None:
        if self.cells is None or not 1 <= number <= self.cells:
            raise ValueError(f"nprobe: expected 1 to the number of cells, {self.cells}")
        self.index.nprobe = number

    def search(self, z: object, k: int = 10) -> Neighbors:
        """Return the k best garments for each z by likelihood; as `PosteriorIndex.search`.

        Their scores are exact. With cells, garments that belong in the answer may be missing.
        """
        self.exact._require_k(k)
        queries = as_queries(z, self.exact.latent_dim, self.exact.posteriors.mean.device)
        wanted = min(k + SPARE, len(self))
        computed, found = self.index.search(self.lifting.vectors(queries).cpu().numpy(), wanted)
        candidates = torch.from_numpy(found).to(queries.device)
        if self.cells is not None:
            answer = best_of(self.exact, queries, candidates, k)
            return self.exact._neighbors(z, queries, *answer, "likelihood")
        left_out = torch.from_numpy(computed[:, -1]).to(queries.device)
        if wanted == len(self):
            left_out = torch.full_like(left_out, -math.inf)
        answer = self.exact._certified(queries, candidates, left_out, k, "likelihood", self.lifting)
        return self.exact._neighbors(z, queries, *answer, "likelihood")

    def tune(self, z: object | None = None, k: int = 10, at_least: float = 0.99) -> float:
        """Set `nprobe` to the smallest number whose recall@k on z is `at_least`; return the recall.

        z: [Q, d], held-out ones from where queries will come from; by default 500 draws from the
        posteriors of garments. For z from elsewhere the recall may be lower.
        Raises a ValueError for an exact index, or `at_least` outside of 0 to 1.
        """
        if self.cells is None:
            raise ValueError("tune: an exact index has no cells to choose from")
        if not 0 < at_least <= 1:
            raise ValueError(f"at_least: expected a share above 0 and up to 1, got {at_least}")
        z = draws(self.exact, 500, seed=1) if z is None else z
        queries = as_queries(z, self.exact.latent_dim)
        expected = self.exact.search(queries, k).indices

        def reached(number: int) -> float:
            self.nprobe = number
            return recall(self, queries, k, expected)

        low, high = 0, 1  # too few, and perhaps enough
        while reached(high) < at_least and high < self.cells:
            low, high = high, min(2 * high, self.cells)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(middle) >= at_least else (middle, high)
        return reached(high)

    def save(self, path: str | os.PathLike) -> Path:
        """Save the posteriors and the cell of each garment; the rest follows from them."""
        posteriors = self.exact.posteriors
        tensors = {"mean": posteriors.mean, "std": posteriors.std}
        if self.cell_of is not None:
            tensors["cell_of"] = self.cell_of
        return save_tensors(path, KIND, tensors, {"nprobe": str(self.nprobe or "")})

    @classmethod
    def load(cls, path: str | os.PathLike) -> "FaissIndex":
        """Load what `save` saved. Raises FileNotFoundError, or ValueError for any other file.

        The index is built again, since FAISS's own files are not safe to read: a damaged one can
        end the process.
        """
        tensors, facts = load_tensors(path, KIND)
        cell_of = tensors.pop("cell_of", None)
        loaded = cls.__new__(cls)
        try:
            loaded._take(posteriors_from(tensors))
            if cell_of is not None:
                _check_cells(cell_of, len(loaded))
            loaded._build(cell_of)
            if cell_of is not None:
                loaded.nprobe = int(facts.get("nprobe", ""))
        except ValueError as error:
            raise ValueError(f"path: {path} does not hold what was saved: {error}") from error
        return loaded


def _check_cells(cell_of: Cells, garments: int) -> None:
    if cell_of.dtype != torch.int64 or cell_of.shape != (garments,):
        got = f"{cell_of.dtype} {list(cell_of.shape)}"
        raise ValueError(f"cell_of: expected int64 [{garments}], got {got}")
    used = cell_of.unique()
    if not used.equal(torch.arange(len(used))):
        raise ValueError("cell_of: expected cells from 0 on, each with a garment in it")


def best_of(
    exact: PosteriorIndex,
    queries: Float[Tensor, "query latent"],
    candidates: Int64[Tensor, "query candidate"],
    k: int,
) -> tuple[Int64[Tensor, "query k"], Float[Tensor, "query k"]]:
    """Return the k best of each query's candidates by likelihood, with their exact scores.

    A query for which the engine found too few (−1 stands in their place) is searched exactly.
    """
    too_few = (candidates < 0).any(dim=1)
    indices, scores = exact._best_of(queries, candidates.clamp(min=0), k, "likelihood")
    if too_few.any():
        again = exact.search(queries[too_few], k)
        indices[too_few], scores[too_few] = again.indices, again.scores
    return indices, scores
