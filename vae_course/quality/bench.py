"""`course.py bench`: measure the time of search, training and the sliders against alternatives.

All alternatives take turns in one run, on one thread unless the name says otherwise. We record the
median CPU time and wall time of the repeats. Compare the ratios, because the milliseconds depend on
the machine. The command writes the results to vae_course/measured/bench.json, tables to
docs/benchmark.md, a shorter table to the README, and a plot to docs/.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch and FAISS are imported

import faiss
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.distributions import Normal
from torch.utils.data import DataLoader

from vae_course import ROOT
from vae_course.figures.scaling import cost_figure
from vae_course.measured.results import BENCHMARK
from vae_course.measured.wardrobes import resampled
from vae_course.publish.guide import BLOCK
from vae_course.quality.machine import cpu_name
from vae_lib import VAE, Explorer, PosteriorIndex, Posteriors, encode_dataset, fit, load_pretrained
from vae_lib._files import write_atomically, write_text_atomically
from vae_lib.data import Images, load_images
from vae_lib.engines import FaissIndex, recall
from vae_lib.engines.recall import draws
from vae_lib.figures import png_bytes
from vae_lib.lifted import Lifting
from vae_lib.progress import progress_bar
from vae_lib.training import mean_terms

README, PAGE = ROOT / "README.md", ROOT / "docs" / "benchmark.md"
PLOT = ROOT / "docs" / "bench.png"
BUILD = ROOT / "build" / "bench"
SIZES = {10: [60_000, 1_000_000, 10_000_000], 32: [60_000, 1_000_000]}  # garments, by d
GROWTH = [10_000, 30_000, 100_000, 300_000, 3_000_000]  # besides these, for the plot
BATCH = 256
COLUMNS = {
    "likelihood": "likelihood",
    "euclidean": "Euclidean",
    "student-t": "Student-t",
    "faiss L2, 2 threads": "`IndexFlatL2`, two threads",
    "faiss IP": "`IndexFlatIP`",
    "k-d tree": "SciPy `cKDTree`",
    "torch.distributions": "`torch.distributions`",
    "scikit-learn": "scikit-learn",
}
IN_README = [  # rows of the short table
    (garments, 10, queries)
    for garments in (60_000, 1_000_000)
    for queries in ("one near z", "256 near z")
]
FIRST_SEARCH = """
import time, torch, vae_lib
generator = torch.Generator().manual_seed(0)
mean, std = torch.randn(2, 60_000, 10, generator=generator)
index = vae_lib.PosteriorIndex(mean=mean, std=std.exp())
wall, cpu = time.perf_counter(), time.process_time()
index.search([0.0] * 10)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""

Rival = Callable[[Tensor], object]
Note = Callable[[str], Any]  # shows the current step
Times = dict[str, dict[str, float]]  # milliseconds by clock ("cpu" or "wall") and rival


def take_turns(rivals: dict[str, Rival], queries: list[Tensor]) -> Times:
    """Let each rival answer each query, in turn; return the median milliseconds of each."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in rivals}
    for query in queries:
        for name, rival in rivals.items():
            if len(query) == 1:
                rival(queries[0])  # not timed: it fills the caches, which the last rival has used
            cpu, wall = time.process_time(), time.perf_counter()
            rival(query)
            spent[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    medians = {
        name: list(map(statistics.median, zip(*s, strict=True))) for name, s in spent.items()
    }
    return {
        clock: {name: round(1000 * median[place], 4) for name, median in medians.items()}
        for place, clock in enumerate(("cpu", "wall"))
    }


def naive(posteriors: Posteriors) -> Rival:
    """Return the straightforward search with torch.distributions."""
    normal = Normal(posteriors.mean, posteriors.std)
    return lambda z: normal.log_prob(z[:, None, :]).sum(dim=2).topk(10, dim=1)


def on_two_threads(flat: Any) -> Rival:
    """Return a search of a FAISS index on two threads."""

    def search(z: Tensor) -> object:
        faiss.omp_set_num_threads(2)
        try:
            return flat.search(z.numpy(), 10)
        finally:
            faiss.omp_set_num_threads(1)

    return search


def rivals_for(index: PosteriorIndex) -> tuple[dict[str, Rival], dict[str, Rival]]:
    """Return the fast and the slow ways to search that fit into memory at this size."""
    posteriors = index.posteriors
    numbers = len(posteriors) * posteriors.latent_dim
    flat = faiss.IndexFlatL2(posteriors.latent_dim)
    flat.add(posteriors.mean.numpy())
    rivals: dict[str, Rival] = {
        "likelihood": lambda z: index.search(z, k=10),
        "euclidean": lambda z: index.search(z, k=10, rule="euclidean"),
        "student-t": lambda z: index.search(z, k=10, rule="student-t"),
        "faiss L2": lambda z: flat.search(z.numpy(), 10),
    }
    slow = {"faiss L2": rivals["faiss L2"], "faiss L2, 2 threads": on_two_threads(flat)}
    if numbers <= 32_000_000:
        lifting = Lifting(posteriors)
        inner = faiss.IndexFlatIP(lifting.dimensions)
        for _, rows in lifting.rows(posteriors):
            inner.add(rows)
        slow["faiss IP"] = lambda z: inner.search(lifting.vectors(z.double()).numpy(), 10)
        slow["torch.distributions"] = naive(posteriors)
        from sklearn.neighbors import NearestNeighbors

        brute = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(posteriors.mean.numpy())
        slow["scikit-learn"] = lambda z: brute.kneighbors(z.numpy())
    if numbers <= 100_000_000:
        tree = cKDTree(posteriors.mean.double().numpy())
        rivals["k-d tree"] = lambda z: tree.query(z.numpy(), 10)
    return rivals, slow


def far_draws(count: int, latent_dim: int) -> Tensor:
    """Return z drawn uniformly from [−5, 5]^d."""
    return torch.rand(count, latent_dim, generator=torch.Generator().manual_seed(6)) * 10 - 5


def search_costs(
    images: Images, latent_dim: int, garments: int, repeats: int, note: Note
) -> list[dict]:
    """Measure single and batched searches in one wardrobe."""
    posteriors = wardrobe(posteriors_of(images, latent_dim, note), garments)
    index = PosteriorIndex(posteriors)
    note("sorting into leaves")
    started = time.process_time()
    index.search(posteriors.mean[0])
    built = time.process_time() - started
    note("building rivals")
    fast, slow = rivals_for(index)
    near, far = draws(index, repeats * BATCH, seed=3), far_draws(repeats * BATCH, latent_dim)
    kinds = {
        "one near z": list(near[:repeats].split(1)),
        "one far z": list(far[:repeats].split(1)),
        f"{BATCH} near z": list(near.split(BATCH))[: max(3, repeats // 8)],
        f"{BATCH} far z": list(far.split(BATCH))[: max(3, repeats // 8)],
    }
    found = []
    for name, queries in kinds.items():
        note(name)
        times = take_turns(fast if len(queries[0]) == 1 else without(fast, "k-d tree"), queries)
        # measured separately, because they leave cold caches that would slow the fast ones
        few = slow if len(queries[0]) == 1 else without(slow, "torch.distributions", "scikit-learn")
        later = take_turns(few, queries)
        ratios = {
            clock: {
                rival: round(spent / part[clock]["faiss L2"], 3)
                for part in (later, times)
                for rival, spent in part[clock].items()
            }
            for clock in times
        }
        found.append(
            {
                "garments": len(posteriors),
                "latent_dim": latent_dim,
                "queries": name,
                "repeats": len(queries),
                "milliseconds": {clock: later[clock] | times[clock] for clock in times},
                "to_faiss_l2": ratios,
                "build_seconds": round(built, 2),
            }
        )
    return found


def without(rivals: dict[str, Rival], *names: str) -> dict[str, Rival]:
    """Return the rivals except those that take too long for a batch."""
    return {name: rival for name, rival in rivals.items() if name not in names}


def cell_costs(images: Images, garments: int, note: Note) -> dict:
    """Measure the approximate search: its recall near and far, and its time against exact ones."""
    posteriors = wardrobe(posteriors_of(images, 10, note), garments)
    started = time.process_time()
    engine = FaissIndex(posteriors, cells=4 * round(len(posteriors) ** 0.5))
    engine.tune(draws(engine.exact, 1000, seed=4), at_least=0.992)
    built = time.process_time() - started
    near = draws(engine.exact, 1000, seed=5)
    far = far_draws(300, posteriors.latent_dim)
    flat = faiss.IndexFlatL2(posteriors.latent_dim)
    flat.add(posteriors.mean.numpy())
    rivals: dict[str, Rival] = {
        "cells": lambda z: engine.search(z, 10),
        "faiss alone": lambda z: engine.index.search(
            engine.lifting.vectors(z.double()).numpy(), 10
        ),
        "likelihood": lambda z: engine.exact.search(z, 10),
        "faiss L2": lambda z: flat.search(z.numpy(), 10),
    }
    return {
        "garments": len(posteriors),
        "latent_dim": posteriors.latent_dim,
        "cells": engine.cells,
        "nprobe": engine.nprobe,
        "build_seconds": round(built, 1),
        "recall_at_10_near": round(recall(engine, near), 4),
        "recall_at_10_far": round(recall(engine, far), 4),
        "one_z_milliseconds": take_turns(rivals, list(near[:100].split(1)))["cpu"],
        "batch_milliseconds": take_turns(rivals, list(near[:768].split(BATCH)))["cpu"],
    }


def first_search_costs(note: Note) -> dict:
    """Measure the first search of a new process among 60,000 garments, with numba's import.

    "cold" is the time if nothing is compiled yet, "warm" if the compiled code is on the disk.
    """
    found = {}
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"NUMBA_CACHE_DIR": cache}
        command = [sys.executable, "-c", FIRST_SEARCH]
        for name, runs in (("cold", 1), ("warm", 5)):
            note(f"a fresh process, {name}")
            times = []
            for _ in range(runs):
                printed = subprocess.check_output(command, cwd=ROOT, env=environment, text=True)
                times.append(tuple(map(float, printed.split())))
            wall, cpu = map(statistics.median, zip(*times, strict=True))
            found[name] = {"wall_seconds": round(wall, 2), "cpu_seconds": round(cpu, 2)}
    return found


class TutorialVAE(nn.Module):
    """The VAE of the widely copied example in pytorch/examples: 784-400-20."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(784, 400)
        self.mean, self.log_var = nn.Linear(400, 20), nn.Linear(400, 20)
        self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean −ELBO of a batch [B, 784], in nats per image."""
        hidden = self.hidden(x).relu()
        mean, log_var = self.mean(hidden), self.log_var(hidden)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        bce = nn.functional.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()
        return (bce + kl) / len(x)


def tutorial(images: Images, epochs: int, note: Note) -> tuple[float, float]:
    """Train the tutorial's recipe; return CPU seconds an epoch and its final test −ELBO."""
    from torchvision.datasets import VisionDataset
    from torchvision.transforms.functional import to_pil_image, to_tensor

    class Pictures(VisionDataset):  # as torchvision's FashionMNIST: PIL, then ToTensor
        def __len__(self) -> int:
            return len(images.train_images)

        def __getitem__(self, i: int) -> tuple[Tensor, int]:
            return to_tensor(to_pil_image(images.train_images[i])), int(images.train_labels[i])

    torch.manual_seed(0)
    vae = TutorialVAE()
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)
    loader: DataLoader = DataLoader(Pictures(root=""), batch_size=128, shuffle=True)
    started = time.process_time()
    for epoch in range(epochs):
        note(f"the tutorial's recipe, epoch {epoch + 1} of {epochs}")
        for x, _ in loader:
            optimizer.zero_grad()
            vae(x.flatten(1)).backward()
            optimizer.step()
    seconds = (time.process_time() - started) / epochs
    with torch.no_grad():
        x = images.test_images.flatten(1).float() / 255
        return seconds, float(vae(x))


def training_costs(images: Images, note: Note, epochs: int = 10) -> dict:
    """Measure the time of an epoch, and our time to reach the tutorial's final −ELBO.

    Our short runs use no free bits, because dead dimensions do not recover in so few epochs, and a
    larger learning rate than the recipe for good models.
    """
    per_epoch, final = tutorial(images, epochs, note)
    runs = []
    for number in (5, 6, 7, 8, 10, 12):
        note(f"our recipe, {number} epochs")
        torch.manual_seed(1)
        vae = VAE(10)
        started = time.process_time()
        recipe = partial(fit, seed=1, free_bits=0.0, learning_rate=3e-3, bfloat16=True)
        recipe(vae, images, epochs=number, progress=False)
        spent = time.process_time() - started
        reached = -float(mean_terms(vae, images.test_images).elbo)
        runs.append(
            {"epochs": number, "seconds": round(spent, 2), "negative_elbo": round(reached, 2)}
        )
        if reached <= final:
            break
    ours = runs[-1]["seconds"] / runs[-1]["epochs"]
    return {
        "images": len(images.train_images),
        "tutorial_epochs": epochs,
        "tutorial_epoch_seconds": round(per_epoch, 2),
        "tutorial_negative_elbo": round(final, 2),
        "our_epoch_seconds": round(ours, 2),
        "epoch_speedup": round(per_epoch / ours, 2),
        "our_runs": runs,
        "as_good": runs[-1]["negative_elbo"] <= final,
        "share_of_the_tutorials_time": round(runs[-1]["seconds"] / (per_epoch * epochs), 3),
    }


def slider_costs(images: Images, note: Note, moves: int = 60) -> dict:
    """Measure the kernel's time for a move of a slider: decode, search, draw and encode PNG."""
    vae = load_pretrained(images.name, 10)
    index = PosteriorIndex(posteriors_of(images, 10, note))
    explorer = Explorer(vae, index, images)
    spent = []
    for move in range(moves):
        slider = explorer.sliders[move % vae.latent_dim]
        started = time.thread_time()
        slider.value = round(((move * 37) % 60 - 30) / 10, 1)
        spent.append(1000 * (time.thread_time() - started))
    return {"moves": moves, "median_milliseconds": round(statistics.median(spent), 2)}


def posteriors_of(images: Images, latent_dim: int, note: Note) -> Posteriors:
    """Return the posteriors of the training images; train a VAE if none is shipped for this d."""
    if latent_dim == 10:
        return encode_dataset(load_pretrained(images.name, 10), images.train_images)
    path = BUILD / f"{images.name}-d{latent_dim}.safetensors"
    if not path.exists():
        note(f"training a VAE with {latent_dim} dimensions")
        torch.manual_seed(1)
        vae = VAE(latent_dim)
        fit(vae, images, epochs=8, seed=1, free_bits=0.0, progress=False)
        encode_dataset(vae, images.train_images).save(path)
    return Posteriors.load(path)


def wardrobe(real: Posteriors, garments: int) -> Posteriors:
    """Return the given number of garments: the real ones, a part of them, or resampled ones."""
    if garments <= len(real):
        return real[
            torch.randperm(len(real), generator=torch.Generator().manual_seed(0))[:garments]
        ]
    return resampled(real, garments)


def machine() -> dict[str, str]:
    """Return the facts about the machine that the times depend on."""
    names = ("torch", "faiss-cpu", "numba", "scipy", "numpy", "scikit-learn")
    load = f"{os.getloadavg()[1]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "cpu": cpu_name(),
        "cores": str(os.cpu_count()),
        "load over 5 minutes at the end": load,
        **{name: version(name) for name in names},
    }


def table_of(rows: list[dict], clock: str, columns: dict[str, str]) -> str:
    """Return searches as a Markdown table: times as multiples of FAISS IndexFlatL2's."""
    head = ["garments", "d", "z", *columns.values(), "`IndexFlatL2`, ms"]
    lines = ["| " + " | ".join(head) + " |", "|---:" * len(head) + "|"]
    for row in rows:
        ratios = [row["to_faiss_l2"][clock].get(name) for name in columns]
        cells = ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        first = [f"{row['garments']:,}", str(row["latent_dim"]), row["queries"].removesuffix(" z")]
        spent = f"{row['milliseconds'][clock]['faiss L2']:.2f}"
        lines.append("| " + " | ".join([*first, *cells, spent]) + " |")
    return "\n".join(lines)


def blocks_of(found: dict) -> dict[str, str]:
    """Return the text between the markers of docs/benchmark.md and of the README."""
    key = ("garments", "latent_dim", "queries")
    short = [row for row in found["search"] if tuple(row[name] for name in key) in IN_README]
    few = {name: COLUMNS[name] for name in ("likelihood", "euclidean", "k-d tree")}
    facts = "\n".join(f"- {name}: {value}" for name, value in found["machine"].items())
    cold, warm = (found["first search"][name] for name in ("cold", "warm"))
    first = (
        f"The first search of a fresh process takes {warm['wall_seconds']:.2f} s "
        f"({warm['cpu_seconds']:.2f} s of CPU time), the import of numba included, and "
        f"{cold['wall_seconds']:.2f} s ({cold['cpu_seconds']:.2f} s) where the search has to be "
        "compiled first."
    )
    return {
        "benchmark": table_of(short, "cpu", few),
        "benchmark, CPU time": table_of(found["search"], "cpu", COLUMNS),
        "benchmark, wall time": table_of(found["search"], "wall", COLUMNS),
        "benchmark, machine": facts,
        "benchmark, first search": first,
    }


def filled(text: str, found: dict) -> str:
    """Return a text with its blocks of the benchmark updated."""
    blocks = blocks_of(found)
    return BLOCK.sub(
        lambda b: f"{b[1]}\n{blocks[b[2]]}\n\n{b[3]}" if b[2] in blocks else b[0], text
    )


def measure(
    sizes: dict[int, list[int]], growth: list[int], repeats: int, kept: Path | None
) -> dict:
    """Measure everything, part by part; small sizes and few repeats serve to test the command.

    kept: the file of finished parts, from which an interrupted run resumes.
    """
    images = load_images("auto")
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    cells_in = max(size for size in sizes[10] if size <= 1_000_000)
    parts: dict[str, Callable[[Note], Any]] = {}
    for size in growth:
        parts[f"growth to {size:,}"] = partial(growth_point, images, size, repeats)
    parts["first search"] = first_search_costs
    parts["cells"] = partial(cell_costs, images, cells_in)
    parts["training"] = partial(training_costs, images)
    parts["slider"] = partial(slider_costs, images)
    for latent_dim, each in sizes.items():
        for size in each:
            # more for short searches, whose times vary more; fewer for those that take seconds
            times = 4 * repeats if size < 500_000 else repeats
            times = times if size < 5_000_000 else max(3, repeats // 3)
            parts[f"search among {size:,}, d = {latent_dim}"] = partial(
                search_costs, images, latent_dim, size, times
            )
    done = json.loads(kept.read_text(encoding="utf-8")) if kept and kept.exists() else {}
    with progress_bar(description="Measuring", total=len(parts), unit="part") as bar:
        for name, part in parts.items():
            if name not in done:
                bar.set_postfix_str(name)
                done[name] = part(bar.set_postfix_str)
                if kept:
                    write_text_atomically(kept, json.dumps(done))
            bar.update()
    search = [row for name in parts if name.startswith("search") for row in done[name]]
    points = [done[name] for name in parts if name.startswith("growth")]
    for row in search:
        if row["latent_dim"] == 10 and row["queries"] == "one near z":
            points.append({"garments": row["garments"], "milliseconds": row["milliseconds"]["cpu"]})
    return {
        "command": "python3 course.py bench",
        "data_set": images.name,
        "unit": "medians of interleaved repeats; growth, cells and slider in CPU time",
        "machine": machine(),
        "search": search,
        "growth": sorted(points, key=lambda point: point["garments"]),
        **{name: done[name] for name in ("first search", "cells", "training", "slider")},
    }


def growth_point(images: Images, garments: int, repeats: int, note: Note) -> dict:
    """Measure one near z in a wardrobe: exact likelihood, FAISS IndexFlatL2 and cKDTree."""
    index = PosteriorIndex(wardrobe(posteriors_of(images, 10, note), garments))
    fast, _ = rivals_for(index)
    queries = list(draws(index, repeats, seed=9).split(1))
    return {"garments": len(index), "milliseconds": take_turns(fast, queries)["cpu"]}


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py bench", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a trial run that stores nothing")
    parser.add_argument("--tables", action="store_true", help="write the tables again, as stored")
    options = parser.parse_args(arguments)
    if options.small:
        found = measure({10: [10_000, 20_000]}, [5_000], 5, kept=None)
        print("\n\n".join(blocks_of(found).values()))
        return 0
    if not options.tables:
        kept = BUILD / "parts.json"
        found = measure(SIZES, GROWTH, repeats=25, kept=kept)
        write_text_atomically(BENCHMARK, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        kept.unlink()
    found = json.loads(BENCHMARK.read_text(encoding="utf-8"))
    for page in (README, PAGE):
        write_text_atomically(page, filled(page.read_text(encoding="utf-8"), found))
    picture = png_bytes(cost_figure(found["growth"]))
    write_atomically(PLOT, lambda file: _write(file, picture))
    print(blocks_of(found)["benchmark, CPU time"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
