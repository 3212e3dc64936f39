"""`course.py bench`: what search, training and the sliders cost, beside what others use.

Everything is CPU time on one thread; rivals take turns in one run, and the median of the repeats
counts. Read the ratios: the milliseconds belong to the machine. The figures go to
vae_course/measured/bench.json, tables to the README and docs/benchmark.md, and a plot to docs/.
"""

import argparse
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch and FAISS are imported

import faiss
import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.utils.data import DataLoader

from vae_course import ROOT
from vae_course.figures.scaling import cost_figure
from vae_course.measured.wardrobes import resampled
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

RESULTS = ROOT / "vae_lib" / "measured" / "bench.json"
README = ROOT / "README.md"
PAGE = ROOT / "docs" / "benchmark.md"
BLOCK = re.compile(r"(<!-- benchmark -->\n).*?(<!-- end -->)", flags=re.DOTALL)
SHORT = r"\| (60,000|1,000,000) \| 10 \| one "  # rows of the table that the README shows
PLOT = ROOT / "docs" / "bench.png"
BUILD = ROOT / "build" / "bench"
SIZES = [60_000, 1_000_000, 10_000_000]
GROWTH = [10_000, 30_000, 60_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000]
LATENT_DIMS = [10, 32]
BATCH = 256
COLUMNS = {
    "likelihood": "likelihood",
    "euclidean": "Euclidean",
    "faiss IP": "FAISS `IndexFlatIP`",
    "sum": "one `sum`",
    "torch.distributions": "`torch.distributions`",
    "scikit-learn": "scikit-learn",
}

Rival = Callable[[Tensor], object]
Note = Callable[[str], Any]  # shows what is being done


def take_turns(rivals: dict[str, Rival], queries: list[Tensor]) -> dict[str, float]:
    """Let each rival answer each query, in turn; return the median CPU milliseconds of each."""
    spent: dict[str, list[float]] = {name: [] for name in rivals}
    for query in queries:
        for name, rival in rivals.items():
            rival(queries[0])  # not timed: whatever the one before it has left in the caches
            started = time.thread_time()
            rival(query)
            spent[name].append(1000 * (time.thread_time() - started))
    return {name: statistics.median(times) for name, times in spent.items()}


# --- search ---------------------------------------------------------------------------------------


def naive(posteriors: Posteriors) -> Rival:
    """Return the search that one would write down with torch.distributions."""
    normal = Normal(posteriors.mean, posteriors.std)
    return lambda z: normal.log_prob(z[:, None, :]).sum(dim=2).topk(10, dim=1)


def to_l2(milliseconds: dict[str, float]) -> dict[str, float]:
    """Return times as multiples of FAISS IndexFlatL2's."""
    base = milliseconds["faiss L2"]
    return {rival: round(spent / base, 3) for rival, spent in milliseconds.items()}


def rivals_for(
    index: PosteriorIndex, *, batched: bool
) -> tuple[dict[str, Rival], dict[str, Rival]]:
    """Return all ways to search that fit into memory at this size: fast ones, slow ones."""
    posteriors = index.posteriors
    numbers = len(posteriors) * posteriors.latent_dim
    flat = faiss.IndexFlatL2(posteriors.latent_dim)
    flat.add(posteriors.mean.numpy())
    rivals: dict[str, Rival] = {
        "likelihood": lambda z: index.search(z, k=10),
        "euclidean": lambda z: index.search(z, k=10, rule="euclidean"),
        "faiss L2": lambda z: flat.search(z.numpy(), 10),
    }
    slow = {"faiss L2": rivals["faiss L2"]}
    if numbers <= 100_000_000:
        lifting = Lifting(posteriors)
        inner = faiss.IndexFlatIP(lifting.dimensions)
        for _, rows in lifting.rows(posteriors):
            inner.add(rows)
        rivals["faiss IP"] = lambda z: inner.search(lifting.vectors(z.double()).numpy(), 10)
    if numbers <= 32_000_000 and not batched:
        slow["torch.distributions"] = naive(posteriors)
        from sklearn.neighbors import NearestNeighbors

        brute = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(posteriors.mean.numpy())
        slow["scikit-learn"] = lambda z: brute.kneighbors(z.numpy())
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
    note("sorting and lifting")
    started = time.process_time()
    index.search(posteriors.mean[0])
    built = time.process_time() - started
    found = []
    near = draws(index, repeats * BATCH, seed=3)
    kinds = [
        ("one near z", list(near[:repeats].split(1))),
        ("one far z", list(far_draws(repeats, posteriors.latent_dim).split(1))),
        (f"{BATCH} near z", list(near.split(BATCH))[: max(3, repeats // 8)]),
    ]
    for name, queries in kinds:
        note(name)
        batched = len(queries[0]) > 1
        fast, slow = rivals_for(index, batched=batched)
        milliseconds = take_turns(fast, queries)
        ratios = to_l2(milliseconds)
        if len(slow) > 1:
            # apart, since what they leave behind (freed memory, cold caches) slows the others
            later = take_turns(slow, queries)
            ratios = to_l2(later) | ratios
            milliseconds = later | milliseconds
        found.append(
            {
                "garments": len(posteriors),
                "latent_dim": posteriors.latent_dim,
                "queries": name,
                "repeats": len(queries),
                "milliseconds": {rival: round(spent, 4) for rival, spent in milliseconds.items()},
                "to_faiss_l2": ratios,
                "build_seconds": round(built, 2),
            }
        )
    return found


def cell_costs(images: Images, garments: int, note: Note) -> dict:
    """Measure the approximate search: recall near and far, and speed against exact L2."""
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
        "faiss L2": lambda z: flat.search(z.numpy(), 10),
    }
    one = take_turns(rivals, list(near[:100].split(1)))
    many = take_turns(rivals, list(near[:768].split(BATCH)))
    return {
        "garments": len(posteriors),
        "latent_dim": posteriors.latent_dim,
        "cells": engine.cells,
        "nprobe": engine.nprobe,
        "build_seconds": round(built, 1),
        "recall_at_10_near": round(recall(engine, near), 4),
        "recall_at_10_far": round(recall(engine, far), 4),
        "one_z_milliseconds": {name: round(spent, 4) for name, spent in one.items()},
        "one_z_speedup": round(one["faiss L2"] / one["cells"], 1),
        "batch_milliseconds": {name: round(spent, 2) for name, spent in many.items()},
        "batch_speedup": round(many["faiss L2"] / many["cells"], 1),
    }


# --- training -------------------------------------------------------------------------------------


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
    """Measure an epoch of either recipe, and how soon ours is as good as the tutorial's end.

    A short run has no time for dimensions to come alive again, so it goes without free bits, and
    takes a larger learning rate than the recipe for good models.
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
    """Measure what a slider's move costs on the kernel's side: decode, search, draw, encode PNG."""
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


# --- all of it ------------------------------------------------------------------------------------


def posteriors_of(images: Images, latent_dim: int, note: Note) -> Posteriors:
    """Return the posteriors of the training images; a VAE that is not shipped is trained once."""
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
    """Return the real wardrobe, a part of it, or one resampled from it."""
    if garments <= len(real):
        return real[
            torch.randperm(len(real), generator=torch.Generator().manual_seed(0))[:garments]
        ]
    return resampled(real, garments)


def machine() -> dict[str, str]:
    """Return what a reader has to know of the machine."""
    names = ("torch", "faiss-cpu", "numpy", "scikit-learn")
    return {"cpu": cpu_name(), **{name: version(name) for name in names}}


def table_of(found: dict) -> str:
    """Return the searches as a Markdown table: CPU time as a multiple of FAISS IndexFlatL2's."""
    head = ["garments", "d", "z", *COLUMNS.values(), "`IndexFlatL2`, ms"]
    lines = ["| " + " | ".join(head) + " |", "|---:" * len(head) + "|"]
    for row in found["search"]:
        ratios = [row["to_faiss_l2"].get(name) for name in COLUMNS]
        cells = ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        first = [f"{row['garments']:,}", str(row["latent_dim"]), row["queries"].removesuffix(" z")]
        spent = f"{row['milliseconds']['faiss L2']:.2f}"
        lines.append("| " + " | ".join([*first, *cells, spent]) + " |")
    return "\n".join(lines) + "\n"


def measure(
    sizes: list[int], growth: list[int], latent_dims: list[int], repeats: int, kept: Path | None
) -> dict:
    """Measure everything, part by part; sizes and repeats can be small, to try the tool out.

    kept: where finished parts are written, and read after an interruption.
    """
    images = load_images("auto")
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    cells_in = max(size for size in sizes if size <= 1_000_000)
    parts: dict[str, Callable[[Note], Any]] = {}
    for latent_dim in latent_dims:
        for size in sizes:
            few = repeats if size < 5_000_000 else max(3, repeats // 3)
            parts[f"search among {size:,}, d = {latent_dim}"] = partial(
                search_costs, images, latent_dim, size, few
            )
    for size in growth:
        parts[f"growth to {size:,}"] = partial(growth_point, images, size, repeats)
    parts["cells"] = partial(cell_costs, images, cells_in)
    parts["training"] = partial(training_costs, images)
    parts["slider"] = partial(slider_costs, images)
    done = json.loads(kept.read_text(encoding="utf-8")) if kept and kept.exists() else {}
    with progress_bar(description="Measuring", total=len(parts), unit="part") as bar:
        for name, part in parts.items():
            if name not in done:
                bar.set_postfix_str(name)
                done[name] = part(bar.set_postfix_str)
                if kept:
                    write_text_atomically(kept, json.dumps(done))
            bar.update()
    return {
        "command": "python3 course.py bench",
        "data_set": images.name,
        "unit": "CPU time on one thread, medians of interleaved repeats",
        "machine": machine(),
        "search": [row for name in parts if name.startswith("search") for row in done[name]],
        "growth": [done[name] for name in parts if name.startswith("growth")],
        **{name: done[name] for name in ("cells", "training", "slider")},
    }


def growth_point(images: Images, garments: int, repeats: int, note: Note) -> dict:
    """Measure one near z in a wardrobe: exact likelihood, and FAISS IndexFlatL2."""
    posteriors = wardrobe(posteriors_of(images, 10, note), garments)
    index = PosteriorIndex(posteriors)
    flat = faiss.IndexFlatL2(posteriors.latent_dim)
    flat.add(posteriors.mean.numpy())
    rivals: dict[str, Rival] = {
        "likelihood": lambda z: index.search(z, k=10),
        "faiss L2": lambda z: flat.search(z.numpy(), 10),
    }
    spent = take_turns(rivals, list(draws(index, repeats, seed=9).split(1)))
    return {
        "garments": len(posteriors),
        "milliseconds": {name: round(value, 4) for name, value in spent.items()},
    }


def short_table_of(found: dict) -> str:
    """Return the four rows of the table that the README shows: one z, at d = 10."""
    lines = table_of(found).splitlines(keepends=True)
    return "".join(lines[:2] + [line for line in lines if re.match(SHORT, line)])


def with_table(page: str, table: str) -> str:
    """Return a page with a table between its benchmark markers."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{table}\n{block[2]}", page)


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py bench", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a trial run that stores nothing")
    small = parser.parse_args(arguments).small
    if small:
        print(table_of(measure([10_000, 20_000], [10_000, 20_000], [10], 5, kept=None)))
        return 0
    kept = BUILD / "parts.json"
    found = measure(SIZES, GROWTH, LATENT_DIMS, repeats=25, kept=kept)
    write_text_atomically(RESULTS, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    for page, table in ((README, short_table_of(found)), (PAGE, table_of(found))):
        write_text_atomically(page, with_table(page.read_text(encoding="utf-8"), table))
    picture = png_bytes(cost_figure(found["growth"]))
    write_atomically(PLOT, lambda file: _write(file, picture))
    kept.unlink()
    print(table_of(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
