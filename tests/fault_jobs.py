"""Jobs that the processes of test_faults.py do until they are killed, with checks of their files.

Each job is a class. `run` works in a folder and may be killed at any moment. `check` inspects the
files after an interruption and raises an AssertionError if a partial result is used. `check_whole`
requires the complete result after a finished `run`.
"""

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from vae_lib import (
    VAE,
    PosteriorIndex,
    Posteriors,
    fashion_mnist,
    fit,
    load_folder,
    load_vae,
    save_vae,
    write_drawn_folder,
)
from vae_lib._files import load_tensors
from vae_lib.checkpoint import CHECKPOINT
from vae_lib.engines import FaissIndex, MilvusIndex, RecallError
from vae_lib.engines.milvus_index import import_pymilvus
from vae_lib.fashion_mnist import RAW, UNPACKING, FashionMNIST, fetch_fashion_mnist

GARMENTS = 600


def posteriors(shift: float = 0.0) -> Posteriors:
    """Return different posteriors, whose means all begin with `shift` to mark their version."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.rand(GARMENTS, 10, generator=generator) + shift
    mean[:, 0] = shift
    return Posteriors(mean, torch.rand(GARMENTS, 10, generator=generator) / 10 + 0.1)


class Job:
    """One kind of work in a folder."""

    def errors(self) -> tuple[type[Exception], ...]:
        """Return the exceptions that the job may raise on a full disk."""
        return (OSError,)

    def run(self, folder: Path) -> None:
        """Do the work, or resume it."""

    def check(self, folder: Path) -> None:
        """Check the files that an interrupted run has left."""

    def check_whole(self, folder: Path) -> None:
        """Check the files that a finished run has left."""


@dataclass
class Download(Job):
    """Fetch the data set from a mirror."""

    mirror: str
    archives: dict[str, str]

    def _fetch(self, folder: Path) -> torch.Tensor:
        FashionMNIST.mirrors = [self.mirror]
        FashionMNIST.resources = list(self.archives.items())
        fashion_mnist.ARCHIVES = self.archives
        fashion_mnist.TIMEOUT = 60  # on a machine that is busy with other tests
        train, test = fetch_fashion_mnist(folder, folder)
        return torch.cat([train.data, test.data])

    def run(self, folder: Path) -> None:
        self._fetch(folder)

    def check_whole(self, folder: Path) -> None:
        assert len(self._fetch(folder)) == 30
        assert not list(folder.rglob("*.damaged*")), "an archive was half-written"
        assert not list((folder / "FashionMNIST").glob(UNPACKING + "*"))
        assert {path.name for path in (folder / RAW).glob("*-ubyte")} == {
            archive.removesuffix(".gz") for archive in self.archives
        }


@dataclass
class Training(Job):
    """Train with a checkpoint, and reach the weights of an uninterrupted training."""

    expected: torch.Tensor | None = None

    def run(self, folder: Path) -> None:
        save_vae(self._train(folder / "checkpoint"), folder / "trained")

    @staticmethod
    def _train(checkpoint: Path | None) -> VAE:
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(0, 256, (240, 1, 28, 28), generator=generator, dtype=torch.uint8)
        torch.manual_seed(0)
        vae = VAE(2)
        fit(vae, x, epochs=4, batch_size=64, progress=False, checkpoint=checkpoint)
        return vae

    @staticmethod
    def _weights(vae: VAE) -> torch.Tensor:
        return torch.cat([parameter.detach().flatten() for parameter in vae.parameters()])

    def rehearsed(self) -> "Training":
        """Return the job with the weights that its training must reach."""
        return Training(self._weights(self._train(None)))

    def check(self, folder: Path) -> None:
        if (folder / "checkpoint").exists():
            load_tensors(folder / "checkpoint", CHECKPOINT)

    def check_whole(self, folder: Path) -> None:
        assert self._weights(load_vae(folder / "trained")).equal(self.expected)


class Saving(Job):
    """Save several versions of a model, of posteriors and of two indices, one after another."""

    def run(self, folder: Path, first: int = 1, last: int = 6) -> None:
        for version in range(first, last + 1):
            vae = VAE(2)
            with torch.no_grad():
                for parameter in vae.parameters():
                    parameter.fill_(version)
            save_vae(vae, folder / "vae")
            posteriors(version).save(folder / "posteriors")
            PosteriorIndex(posteriors(version)).save(folder / "index")
            FaissIndex(posteriors(version), cells=20).save(folder / "faiss")

    def check(self, folder: Path) -> None:
        readers = {
            "vae": lambda path: torch.cat([p.flatten() for p in load_vae(path).parameters()]),
            "posteriors": lambda path: Posteriors.load(path).mean[:, 0],
            "index": lambda path: PosteriorIndex.load(path).posteriors.mean[:, 0],
            "faiss": lambda path: FaissIndex.load(path).exact.posteriors.mean[:, 0],
        }
        for name, read in readers.items():
            if (folder / name).exists():
                assert len(read(folder / name).unique()) == 1, f"two versions in one {name}"

    def check_whole(self, folder: Path) -> None:
        self.check(folder)
        assert PosteriorIndex.load(folder / "index").posteriors.mean[0, 0] == 6


class Building(Job):
    """Load an index with cells, or build and save it."""

    def run(self, folder: Path) -> None:
        if (folder / "cells").exists():
            FaissIndex.load(folder / "cells")
        else:
            FaissIndex(posteriors(), cells=20).save(folder / "cells")

    def check(self, folder: Path) -> None:
        if (folder / "cells").exists():
            self.check_whole(folder)

    def check_whole(self, folder: Path) -> None:
        index = FaissIndex.load(folder / "cells")
        index.nprobe = index.cells
        z = posteriors().mean[:20]
        assert index.search(z).indices.equal(index.exact.search(z).indices)


class Drawing(Job):
    """Write a folder of drawn garments."""

    def run(self, folder: Path) -> None:
        write_drawn_folder(folder / "wardrobe", count=60)

    def check(self, folder: Path) -> None:
        if (folder / "wardrobe").exists():
            self.check_whole(folder)

    def check_whole(self, folder: Path) -> None:
        images = load_folder(folder / "wardrobe")
        assert len(images.train_images) + len(images.test_images) == 60


class Inserting(Job):
    """Insert garments into a vector database."""

    def errors(self) -> tuple[type[Exception], ...]:
        return (OSError, import_pymilvus().MilvusException)

    @contextlib.contextmanager
    def open(self, folder: Path):
        """Open the database for the duration of a `with` block."""
        index = MilvusIndex(posteriors(), folder / "wardrobe.db")
        try:
            yield index
        finally:
            index.close()

    def run(self, folder: Path) -> None:
        with self.open(folder) as index:
            index.insert(batch=50, progress=False)

    def check(self, folder: Path) -> None:
        with self.open(folder) as index:
            if len(index) < GARMENTS:
                with contextlib.suppress(RecallError):
                    index.verify_recall()
                    raise AssertionError("an incomplete collection was accepted")

    def check_whole(self, folder: Path) -> None:
        with self.open(folder) as index:
            assert len(index) == GARMENTS
            assert index.verify_recall(at_least=0.999) >= 0.999


def rehearse_then_run(job: Job, folder: Path, pipe) -> None:
    """Run the job once in another folder, send its duration, and run it in `folder`."""
    beside = Path(tempfile.mkdtemp(dir=folder.parent))
    begin = time.monotonic()
    job.run(beside)
    pipe.send(time.monotonic() - begin)
    job.run(folder)
    os._exit(0)


def run_and_tell(job: Job, folder: Path, largest_file: int | None, pipe) -> None:
    """Run the job, with an optional limit on the size of files, and send its error."""
    if largest_file is not None:
        import resource  # Windows has none

        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))
    try:
        job.run(folder)
    except BaseException as error:
        pipe.send((isinstance(error, job.errors()), f"{type(error).__name__}: {error}"))
    else:
        pipe.send(None)
