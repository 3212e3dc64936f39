"""`FaissIndex`: the likelihood as an inner product that FAISS searches in cells."""

import os
from bisect import bisect_left
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from vae_lib._checks import require_int
from vae_lib._files import load_tensors, save_tensors
from vae_lib.engines.optional import import_optional
from vae_lib.engines.recall import draws, recall
from vae_lib.lifted import SPARE, Lifting, rerank
from vae_lib.posteriors import Posteriors, as_queries, posteriors_from
from vae_lib.retrieval import Neighbors, PosteriorIndex

KIND = "vae_lib FAISS index"
SAMPLE_PER_CELL = 64  # garments for each cell in the sample that k-means is run on
# How much of the variance of a cell's μ is added to its average σ². Among a million garments, 0.1
# lets z from the data search a fifth fewer cells; with more, z far from the data lose recall.
SPREAD = 0.1

Cells = Int64[Tensor, " garment"]  # the number of the cell that each garment is in


def import_faiss() -> Any:
    """Import FAISS, or raise a ModuleNotFoundError that says how to install it."""
    return import_optional("faiss", "faiss-cpu")


class FaissIndex:
    """Approximate search by likelihood with FAISS (Douze et al., The Faiss library, 2024).

    K-means on μ/σ̄ divides the garments into cells (an inverted file, IVF). A query searches the
    `nprobe` cells whose *average Gaussian* gives it the highest likelihood, and misses the garments
    of all other cells. The exact formula ranks the garments found. `tune` chooses `nprobe`.
    """

    def __init__(self, posteriors: Posteriors, cells: int, seed: int = 0):
        """Build the index.

        Args:
            posteriors: the garments.
            cells: the number of cells; 4 √N is a good choice.
            seed: the seed of k-means.

        Raises:
            ModuleNotFoundError: FAISS is not installed.
            ValueError: there are fewer garments than cells, or the lifted vectors of some garments
                do not fit into float32.
        """
        import_faiss()
        seed = require_int("seed", seed, least=0)
        cells = require_int("cells", cells, 1, len(posteriors))
        self._set_posteriors(posteriors)
        self._build(self._cells_by_k_means(cells, seed))

    def _set_posteriors(self, posteriors: Posteriors) -> None:
        self.exact = PosteriorIndex(posteriors)
        self.lifting = Lifting(posteriors)

    def _build(self, cell_of: Cells) -> None:
        """Fill FAISS's index, given the cell of each garment."""
        faiss = import_faiss()
        self.cell_of = cell_of
        averages = self._averages(cell_of)
        quantizer = faiss.IndexFlatIP(self.lifting.dimensions)
        for _, rows in self.lifting.rows(averages):
            quantizer.add(rows)
        metric = faiss.METRIC_INNER_PRODUCT
        self.index = faiss.IndexIVFFlat(quantizer, quantizer.d, len(averages), metric)
        self.index.is_trained = True  # the cells are known already
        for part, rows in self.lifting.rows(self.exact.posteriors):
            arrays = (rows, np.arange(part.start, part.stop), cell_of[part].numpy())
            self.index.add_core(len(rows), *map(faiss.swig_ptr, arrays))

    def _cells_by_k_means(self, cells: int, seed: int) -> Cells:
        """Return the cell of each garment by k-means, without empty cells."""
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

        Its mean is the mean of the cell's μ. Its variance is the mean of the cell's σ², plus the
        share `SPREAD` of the variance of the cell's μ, because a cell is wider than its garments.
        """
        posteriors = self.exact.posteriors
        count = cell_of.bincount()[:, None].double()
        total = torch.zeros(len(count), posteriors.latent_dim, dtype=torch.float64, device="cpu")
        mean = total.index_add(0, cell_of, posteriors.mean.cpu().double()) / count
        variance = total.index_add(0, cell_of, posteriors.std.cpu().double().square()) / count
        squared = (posteriors.mean.cpu().double() - mean[cell_of]).square()
        variance += SPREAD * total.index_add(0, cell_of, squared) / count
        return Posteriors(mean, variance.sqrt())

    def __len__(self) -> int:
        return len(self.exact)

    def __repr__(self) -> str:
        return f"FaissIndex({len(self):,} garments, {self.cells:,} cells, nprobe={self.nprobe})"

    @property
    def cells(self) -> int:
        """The number of cells."""
        return self.index.nlist

    @property
    def nprobe(self) -> int:
        """The number of cells that a query searches."""
        return self.index.nprobe

    @nprobe.setter
    def nprobe(self, number: int) -> None:
        self.index.nprobe = require_int("nprobe", number, 1, self.cells)

    def search(self, z: object, k: int = 10) -> Neighbors:
        """Return the k best garments in the cells searched; as `PosteriorIndex.search`.

        The scores are exact, but garments that belong in the answer may be missing.
        """
        k = require_int("k", k, 1, len(self))
        queries = as_queries(z, self.exact.latent_dim, self.exact.posteriors.mean.device)
        wanted = min(k + SPARE, len(self))
        _, found = self.index.search(self.lifting.vectors(queries).cpu().numpy(), wanted)
        candidates = torch.from_numpy(found).to(queries.device)
        answer = rerank(self.exact, queries, candidates, k)
        return self.exact._neighbors(z, queries, *answer, "likelihood")

    def tune(self, z: object | None = None, k: int = 10, at_least: float = 0.99) -> float:
        """Set `nprobe` to the smallest number that reaches a recall@k on given z.

        Args:
            z: [Q, d], by default 500 draws from the posteriors. Take them from the source of the
                later queries, because the recall may be lower for z from elsewhere.
            k: the number of garments in an answer.
            at_least: the recall to reach, above 0 and up to 1.

        Returns:
            The recall@k on z.

        Raises:
            ValueError: `at_least` is outside its range.
        """
        if not 0 < at_least <= 1:
            raise ValueError(f"at_least: expected a share above 0 and up to 1, got {at_least}")
        z = draws(self.exact, 500, seed=1) if z is None else z
        queries = as_queries(z, self.exact.latent_dim)
        expected = self.exact.search(queries, k).indices

        def reached(number: int) -> float:
            self.nprobe = number
            return recall(self, queries, k, expected)

        return reached(1 + bisect_left(range(1, self.cells), at_least, key=reached))

    def save(self, path: str | os.PathLike) -> Path:
        """Save the posteriors and the cell of each garment, from which `load` builds the index."""
        posteriors = self.exact.posteriors
        tensors = {"mean": posteriors.mean, "std": posteriors.std, "cell_of": self.cell_of}
        return save_tensors(path, KIND, tensors, {"nprobe": str(self.nprobe)})

    @classmethod
    def load(cls, path: str | os.PathLike) -> "FaissIndex":
        """Load a file that `save` wrote.

        The index is built again, because FAISS's own files are not safe to read: a damaged one can
        crash the process.

        Raises:
            FileNotFoundError: there is no such file.
            ModuleNotFoundError: FAISS is not installed.
            ValueError: the file is damaged or holds something else.
        """
        tensors, facts = load_tensors(path, KIND)
        cell_of = tensors.pop("cell_of", torch.empty(0, dtype=torch.int64, device="cpu"))
        loaded = cls.__new__(cls)
        try:
            loaded._set_posteriors(posteriors_from(tensors))
            _check_cells(cell_of, len(loaded))
            loaded._build(cell_of)
            loaded.nprobe = int(facts.get("nprobe", ""))
        except ValueError as error:
            raise ValueError(f"path: {path} does not hold what was saved: {error}") from error
        return loaded


def _check_cells(cell_of: Cells, garments: int) -> None:
    if cell_of.dtype != torch.int64 or cell_of.shape != (garments,):
        got = f"{cell_of.dtype} {list(cell_of.shape)}"
        raise ValueError(f"cell_of: expected int64 [{garments}], got {got}")
    used = cell_of.unique()
    if not used.equal(torch.arange(len(used), device="cpu")):
        raise ValueError("cell_of: expected cells from 0 on, each with a garment in it")
