"""`DaskIndex`: exact search where the garments lie on the workers of a Dask cluster."""

import gzip
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from vae_lib._checks import require_int
from vae_lib.encoding import encode_dataset
from vae_lib.engines.optional import import_optional
from vae_lib.pictures import Preparation, as_garment, open_picture
from vae_lib.posteriors import Posteriors, as_queries, is_single
from vae_lib.retrieval import Neighbors, PosteriorIndex, roundtrip

CONNECT_SECONDS = 120  # a busy machine starts the workers slowly
ImageReader = Callable[[], Tensor | Iterable[Tensor]]  # returns images [N, C, H, W], or batches


def local_client(workers: int = 2) -> Any:
    """Start a Dask cluster of processes on this machine, reachable from this machine only.

    Args:
        workers: how many processes to start; each computes on one thread.

    Returns:
        A `distributed.Client`; its `shutdown` ends the workers.

    Raises:
        ModuleNotFoundError: distributed is not installed; the message says how to install it.
    """
    distributed = import_optional("distributed", "distributed")
    cluster = distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",  # any free port, so that two clusters can run side by side
    )
    return distributed.Client(cluster, set_as_default=False, timeout=CONNECT_SECONDS)


def fashion_mnist_rows(
    root: str | os.PathLike, start: int, stop: int
) -> UInt8[Tensor, "garment 1 28 28"]:
    """Read some training images of Fashion-MNIST from its file, without the others.

    Args:
        root: the folder that holds `FashionMNIST/raw`.
        start: the first image to read.
        stop: the image after the last one to read.
    """
    path = Path(root).expanduser() / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    with path.open("rb") if path.exists() else gzip.open(f"{path}.gz", "rb") as file:
        file.seek(16 + 784 * start)  # behind the header
        pixels = bytearray(file.read(784 * (stop - start)))
    return torch.frombuffer(pixels, dtype=torch.uint8).view(-1, 1, 28, 28)


def folder_rows(files: Sequence[Path], how: Preparation) -> UInt8[Tensor, "garment c h w"]:
    """Read some pictures of a folder: `train_files` of its `Images`, prepared in the same way."""
    return torch.stack([as_garment(open_picture(file, how.size), how) for file in files])


class DaskIndex:
    """Exact search in parts of a wardrobe, each held by a worker of a Dask cluster.

    Every worker searches its parts with a `PosteriorIndex`; the answers are merged exactly. The
    client holds no posteriors and no images. If a worker dies, Dask computes its parts again, from
    the files or posteriors that they came from.

    Reference:
        Rocklin, Dask: Parallel Computation with Blocked algorithms and Task Scheduling (2015).
    """

    def __init__(self, client: Any, parts: Sequence[Any]):
        """Take the parts of an index; `from_images` and `from_posteriors` make them.

        Args:
            client: a `distributed.Client` of any cluster, such as that of `local_client`.
            parts: futures of `Posteriors`, in the order of their garments.
        """
        self.client = client
        facts = client.gather([client.submit(_facts, part) for part in parts])
        self.sizes = [size for size, _ in facts]
        self.latent_dim = len(facts[0][1])
        self.rms_std = (torch.stack([total for _, total in facts]).sum(0) / len(self)).sqrt()
        self._parts = [client.submit(_index, part, self.rms_std) for part in parts]

    @classmethod
    def from_images(cls, client: Any, vae: Any, parts: Sequence[ImageReader]) -> "DaskIndex":
        """Encode images on the workers, which read them themselves.

        Args:
            client: a `distributed.Client`.
            vae: a model with `encode`, which Dask sends to each worker once.
            parts: for each part a function without arguments that returns its images, or an
                iterable of batches. It runs on a worker, so it must be picklable, such as a
                `functools.partial` of a function that reads files.

        Returns:
            The index, with its garments in the order of the parts.
        """
        model = client.submit(_itself, vae)
        return cls(client, [_fresh(client, _encode, model, part) for part in parts])

    @classmethod
    def from_posteriors(cls, client: Any, paths: Sequence[str | os.PathLike]) -> "DaskIndex":
        """Load posteriors on the workers, from files that `Posteriors.save` wrote."""
        return cls(client, [_fresh(client, Posteriors.load, path) for path in paths])

    def __len__(self) -> int:
        """Return the number of garments."""
        return sum(self.sizes)

    def __repr__(self) -> str:
        return f"DaskIndex({len(self):,} garments in {len(self.sizes)} parts)"

    @cached_property
    def starts(self) -> list[int]:
        """The number of the first garment of each part."""
        return [sum(self.sizes[:i]) for i in range(len(self.sizes))]

    def search(self, z: object, k: int = 10, rule: str = "likelihood", **options: Any) -> Neighbors:
        """Return what `PosteriorIndex.search` returns, from all parts together.

        Args:
            z: [d] or [Q, d].
            k: how many garments to return, from 1 to N.
            rule: as in `PosteriorIndex.search`; `options` are passed to it.

        Raises:
            TypeError: z does not consist of real numbers, or k is not an integer.
            ValueError: z, k or the rule is not valid; see `PosteriorIndex.search`.
        """
        k = require_int("k", k, 1, len(self))
        queries = as_queries(z, self.latent_dim)
        queries = queries[0] if is_single(z) else queries
        answers = self._ask(_search, queries, k=k, rule=rule, **options)
        return Neighbors.merge(answers, k, self.starts)

    def mahalanobis2(self, z: object) -> Float[Tensor, " query"]:
        """Return the smallest Mahalanobis² of each z to any garment, float64 [Q]."""
        answers = self._ask(PosteriorIndex.mahalanobis2, as_queries(z, self.latent_dim))
        return torch.stack(answers).amin(dim=0)

    def is_familiar(self, z: object) -> Bool[Tensor, " query"]:
        """Tell which z lie inside some garment's 99.9 % ellipsoid, bool [Q]."""
        answers = self._ask(PosteriorIndex.is_familiar, as_queries(z, self.latent_dim))
        return torch.stack(answers).any(dim=0)

    def gated_search(self, vae: Any, z: object, k: int = 10) -> Neighbors:
        """Return what `vae_lib.gated_search` returns: likelihood at z, or at its round trip."""
        queries = as_queries(z, self.latent_dim)
        familiar = self.is_familiar(queries)
        if not familiar.all():
            queries[~familiar] = roundtrip(vae, queries[~familiar]).to(queries)
        neighbors = self.search(queries[0] if is_single(z) else queries, k)
        neighbors.familiar = familiar[0] if is_single(z) else familiar
        return neighbors

    def _ask(self, function: Callable, *arguments: Any, **options: Any) -> list:
        """Call a function with each part, on the worker that holds it."""
        ask = partial(self.client.submit, function, pure=False)
        return self.client.gather([ask(part, *arguments, **options) for part in self._parts])


def _fresh(client: Any, function: Callable, *arguments: Any) -> Any:
    """Submit a function that reads files; `pure=False`, because a file may change between calls."""
    return client.submit(function, *arguments, pure=False)


def _itself(value: Any) -> Any:
    """Return the value: if a worker dies, Dask computes results again, but not scattered data."""
    return value


def _encode(vae: Any, read: ImageReader) -> Posteriors:
    return encode_dataset(vae, read())


def _facts(posteriors: Posteriors) -> tuple[int, Tensor]:
    """Return the number of garments, and the sum of σ² in each dimension."""
    return len(posteriors), posteriors.std.double().square().sum(dim=0)


def _index(posteriors: Posteriors, rms_std: Tensor) -> PosteriorIndex:
    """Return an index whose "scaled-euclidean" rule has the scale of the whole wardrobe."""
    index = PosteriorIndex(posteriors)
    index.rms_std = rms_std
    return index


def _search(index: PosteriorIndex, z: Tensor, k: int, **options: Any) -> Neighbors:
    return index.search(z, min(k, len(index)), **options)
