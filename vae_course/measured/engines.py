"""Measure Dask and a real Milvus server, among a million garments.

`.venv/bin/python -m vae_course.measured.engines` needs the extra `cluster`. It also trains a VAE on
two processes of torchrun. It writes what it measured to engines.json beside this file, for notebook
06. Each part is kept in build/engines once it is measured, so that an interrupted run resumes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import torch
import torch.distributed as dist
from torch import Tensor

from vae_course import ROOT
from vae_course.measured.results import ENGINES
from vae_course.measured.wardrobes import resampled
from vae_course.measured.weights import FREE_BITS, SEED, trained
from vae_course.quality import milvus_server
from vae_course.quality.machine import cpu_name
from vae_course.quality.milvus_server import ISOLATED, TOKEN, URI
from vae_lib import PosteriorIndex, Posteriors, encode_dataset, load_images, load_pretrained
from vae_lib._files import write_text_atomically
from vae_lib.data import default_root
from vae_lib.engines import DaskIndex, MilvusIndex, local_client, recall
from vae_lib.engines.dask_index import fashion_mnist_rows
from vae_lib.engines.milvus_index import FIELD
from vae_lib.engines.recall import draws
from vae_lib.posteriors import as_queries
from vae_lib.training import mean_terms

BUILD = ROOT / "build" / "engines"
DATA = "fashion-mnist"
GARMENTS, PARTS, BATCH, SINGLE = 1_000_000, 2, 200, 50
SESSION = {"consistency_level": "Session"}
ITSELF = [sys.executable, "-m", "vae_course.measured.engines"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
TORCHRUN += ["--nproc-per-node", "2", "-m", "vae_course.measured.engines"]
Search = Callable[[Tensor], object]


def milliseconds(searches: dict[str, Search], queries: Tensor, size: int) -> dict[str, float]:
    """Let each search answer `size` queries at a time, in turn; return its median for one z."""
    spent: dict[str, list[float]] = {name: [] for name in searches}
    for part in queries.split(size):
        for name, search in searches.items():
            started = time.perf_counter()
            search(part[0] if size == 1 else part)
            spent[name].append(1000 * (time.perf_counter() - started) / size)
    return {name: round(float(torch.tensor(times).median()), 2) for name, times in spent.items()}


def million() -> Posteriors:
    """Return a million garments with 10 dimensions."""
    real = encode_dataset(load_pretrained(DATA, 10), load_images(DATA).train_images)
    return resampled(real, GARMENTS)


def queries(exact: PosteriorIndex) -> Tensor:
    """Return z near some garments: first those that are asked one by one, then the batches."""
    return draws(exact, SINGLE + 5 * BATCH, seed=5)


def costs_of(searches: dict[str, Search], near: Tensor) -> dict[str, dict[str, float]]:
    """Measure z that are asked one by one, and in batches."""
    for search in searches.values():
        search(near[:BATCH])  # once without the clock
    return {
        "one z": milliseconds(searches, near[:SINGLE], 1),
        "batch": milliseconds(searches, near[SINGLE:], BATCH),
    }


def dask_costs() -> dict:
    """Measure exact search and encoding in one process, and on one and on two Dask workers."""
    clients = {"Dask, one worker": local_client(1), "Dask, two workers": local_client(2)}
    found = exact_costs(million(), clients) | {"encoding seconds": encoding_costs(clients)}
    for client in clients.values():
        client.shutdown()
    return found


def exact_costs(posteriors: Posteriors, clients: dict[str, Any]) -> dict:
    """Measure exact search in a wardrobe; the workers load its parts from files.

    Dask always computes the probabilities, which take all garments.
    """
    exact = PosteriorIndex(posteriors)
    near = queries(exact)
    searches: dict[str, Search] = {
        "one process, garments alone": exact.search,
        "one process": lambda z: exact.search(z).probabilities,
    }
    with tempfile.TemporaryDirectory() as folder:
        parts = enumerate(torch.arange(GARMENTS).chunk(PARTS))
        paths = [posteriors[part].save(Path(folder) / f"part-{i}") for i, part in parts]
        indices = {name: DaskIndex.from_posteriors(each, paths) for name, each in clients.items()}
        for name, index in indices.items():
            assert index.search(near[:SINGLE]).indices.equal(exact.search(near[:SINGLE]).indices)
            searches[name] = index.search
        return costs_of(searches, near)


def encoding_costs(clients: dict[str, Any]) -> dict[str, float]:
    """Measure how long it takes to encode Fashion-MNIST, in seconds."""
    vae, images = load_pretrained(DATA, 10), load_images(DATA).train_images
    encoders: dict[str, Search] = {"one process": lambda _: encode_dataset(vae, images)}
    read = partial(fashion_mnist_rows, default_root())
    step = len(images) // PARTS
    rows = [partial(read, start, start + step) for start in range(0, len(images), step)]
    for name, client in clients.items():
        encoders[name] = partial(encode_on, client, vae, rows)
    milliseconds(encoders, torch.zeros(1, 1), 1)  # once without the clock
    spent = milliseconds(encoders, torch.zeros(5, 1), 1)
    return {name: round(each / 1000, 1) for name, each in spent.items()}


def encode_on(client: Any, vae: Any, rows: list, _: Tensor) -> None:
    """Encode images on the workers of a client."""
    DaskIndex.from_images(client, vae, rows)


def milvus_costs() -> dict:
    """Measure a Milvus server; this runs in the server's network namespace."""
    posteriors = million()
    exact = MilvusIndex(posteriors, URI, token=TOKEN)
    few = MilvusIndex(posteriors[:1000], URI, name="few", token=TOKEN)
    for index in (exact, few):
        index.insert(progress=False)
    opened = MilvusIndex.open(URI, exact.collection, TOKEN)

    def bare(z: Tensor) -> object:
        vectors = exact.lifting.vectors(as_queries(z, 10)).numpy()
        return exact.client.search(
            exact.collection, data=vectors, limit=10, anns_field=FIELD, **SESSION
        )

    searches: dict[str, Search] = {
        f"FLAT, {name}": at(exact, name) for name in ("Session", "Bounded", "Strong")
    }
    searches |= {"opened without posteriors": opened.search, "bare pymilvus": bare}
    searches |= {"1,000 garments": few.search}
    near = queries(exact.exact)
    far = torch.rand(BATCH, 10, generator=torch.Generator().manual_seed(6)) * 10 - 5
    return {
        "version": exact.client.get_server_version(),
        "recall at 10": {"near": recall(exact, near[:BATCH]), "far": recall(exact, far)},
        "one z": milliseconds(searches, near[: 2 * SINGLE], 1),
    }


def reading_speed() -> dict[str, float]:
    """Measure how fast one and two threads read memory, in GB/s: the best of some repeats."""
    numbers, found = torch.ones(250_000_000), {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        spent = []
        for _ in range(20):
            started = time.perf_counter()
            numbers.sum()
            spent.append(time.perf_counter() - started)
        found[f"threads: {threads}"] = round(4e-9 * len(numbers) / min(spent), 1)
    return found


def at(index: MilvusIndex, consistency: str) -> Search:
    """Return the search of an index at a consistency."""

    def search(z: Tensor) -> object:
        index.consistency = consistency
        return index.search(z)

    return search


def training() -> dict:
    """Train on the processes of torchrun, as `course.py weights` does on one."""
    dist.init_process_group("gloo")
    images = load_images(DATA)
    vae = trained(images, 10, BUILD / "training.checkpoint", SEED, FREE_BITS)
    reached = -round(float(mean_terms(vae, images.test_images).elbo), 2)
    return {"processes": dist.get_world_size(), "seed": SEED, "negative ELBO": reached}


def served() -> dict:
    """Start a Milvus server, measure it, and stop it."""
    milvus_server.raise_loopback()
    with tempfile.TemporaryDirectory() as folder:
        milvus_server.prepare(Path(folder) / "server")
        server = milvus_server.start(Path(folder) / "server")
        try:
            return milvus_costs()
        finally:
            server.kill()
            server.wait()


COMMANDS = {
    "Dask": ITSELF,
    "Milvus": [*ISOLATED, *ITSELF],
    "reading": ITSELF,
    "training": TORCHRUN,
}
PARTS_OF_RUN = {
    "Dask": dask_costs,
    "Milvus": served,
    "reading": reading_speed,
    "training": training,
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=COMMANDS, help="measure one part, in this process")
    options = parser.parse_args(arguments)
    BUILD.mkdir(parents=True, exist_ok=True)
    if options.part:
        found = PARTS_OF_RUN[options.part]()
        if os.environ.get("RANK", "0") == "0":
            write_text_atomically(BUILD / f"{options.part}.json", json.dumps(found))
        return 0
    for part, command in COMMANDS.items():
        if not (BUILD / f"{part}.json").exists():
            print(f"measuring {part}")
            subprocess.run([*command, "--part", part], cwd=ROOT, check=True)
    names = ("torch", "numba", "distributed", "pymilvus")
    machine = {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "load over 5 minutes at the end": round(os.getloadavg()[1], 1),
        **{name: version(name) for name in names},
    }
    facts = {
        "command": ".venv/bin/python -m vae_course.measured.engines",
        "machine": machine,
        "garments": GARMENTS,
    }
    facts |= {"data_set": DATA, "batch": BATCH, "unit": "milliseconds of wall time for one z"}
    for part in COMMANDS:
        facts[part] = json.loads((BUILD / f"{part}.json").read_text(encoding="utf-8"))
    write_text_atomically(ENGINES, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
