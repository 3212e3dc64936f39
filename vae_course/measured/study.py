"""`course.py study`: repeat the measurements of notebook 05 for other seeds and objectives.

The command trains 5 models, with different seeds, for each objective and data set. It evaluates
every rule on each model, and writes the mean and the standard deviation of every measured value to
study.json beside this file. If it is interrupted, run it again to resume.
"""

import argparse
import itertools
import json
import platform
import statistics
import sys
from importlib.metadata import version
from pathlib import Path

from vae_course import ROOT
from vae_course.measured.results import STUDY
from vae_course.measured.weights import EPOCHS, data_sha256, trained
from vae_lib._files import write_text_atomically
from vae_lib.data import Images, load_images
from vae_lib.encoding import encode_dataset
from vae_lib.evaluation import Evaluation, Wardrobe, evaluate
from vae_lib.evaluation.rules import STANDARD
from vae_lib.model import VAE
from vae_lib.retrieval import PosteriorIndex
from vae_lib.training import mean_terms, permutation_loss
from vae_lib.weights import load_vae, save_vae, sha256

BUILD = ROOT / "build" / "study"
SEEDS = range(5)
LATENT_DIM = 10
QUERIES = 2000
OBJECTIVES = {  # free bits in nats, and β
    "free bits 0.5": (0.5, 1.0),
    "no free bits": (0.0, 1.0),
    "beta 4": (0.0, 4.0),
}
DIGITS = 4  # significant digits of every stored value


def weights_path(data: str, objective: str, seed: int) -> Path:
    """Return the path of the weights of one run."""
    return BUILD / f"{data}-{objective.replace(' ', '-')}-seed-{seed}.safetensors"


def model_of(images: Images, objective: str, seed: int) -> VAE:
    """Return the VAE of one run, which is trained if there is no file of its weights yet."""
    path = weights_path(images.name, objective, seed)
    if path.exists():
        return load_vae(path)
    checkpoint = path.with_suffix(".checkpoint")
    vae = trained(images, LATENT_DIM, checkpoint, seed, *OBJECTIVES[objective])
    save_vae(vae, path)
    checkpoint.unlink()
    return vae


def run(images: Images, objective: str, seed: int) -> dict:
    """Return the measured values of one run, which are cached in a file beside its weights."""
    vae = model_of(images, objective, seed)
    weights = weights_path(images.name, objective, seed)
    cache = weights.with_suffix(".json")
    if cache.exists():
        found = json.loads(cache.read_text())
        if found["sha256"] == sha256(weights) and found["queries"] == QUERIES:
            return found
    index = PosteriorIndex(encode_dataset(vae, images.train_images))
    evaluation = evaluate(Wardrobe(vae, index, images), QUERIES, seed, [*STANDARD, "student-t"])
    losses = permutation_loss(vae, images.test_images)
    found = {
        "sha256": sha256(weights),
        "queries": QUERIES,
        "figures": {
            "negative ELBO": -float(mean_terms(vae, images.test_images).elbo),
            "active dimensions": sum(loss >= 1 for loss in losses),
            **{"/".join(key): estimate.value for key, estimate in evaluation.estimates.items()},
            **comparisons(evaluation),
        },
    }
    write_text_atomically(cache, json.dumps(found))
    return found


def comparisons(evaluation: Evaluation) -> dict[str, float]:
    """Return each rule's median pixel distance, and compare the rule with others on the same z.

    "over" is the ratio of the mean pixel distances of two rules. "beats" is the share of z for
    which the first garment of one rule has a smaller pixel distance than that of the other, without
    ties.
    """
    found = {}
    for source, rule in itertools.product(evaluation.sources, evaluation.rules):
        own = evaluation.values[source, rule, "pixel distance"]
        found[f"{source}/{rule}/median pixel distance"] = own.double().median().item()
        for other in ("euclidean", "scaled-euclidean", "likelihood", "gate"):
            others = evaluation.values[source, other, "pixel distance"]
            found[f"{source}/{rule}/over {other}"] = (own.mean() / others.mean()).item()
            difference = own - others
            untied = difference[difference != 0]
            wins = (untied < 0).double().mean().item() if len(untied) else 0.5
            found[f"{source}/{rule}/beats {other}"] = wins
    return found


def summary(values: list[float]) -> dict:
    """Return the mean, standard deviation and single values of one measurement over the seeds.

    The standard deviation is None (null in the file) if there is only one value.
    """
    rounded = [float(f"{value:.{DIGITS}g}") for value in values]
    std = float(f"{statistics.stdev(values):.{DIGITS}g}") if len(values) > 1 else None
    return {
        "mean": float(f"{statistics.mean(values):.{DIGITS}g}"),
        "std": std,
        "seeds": rounded,
    }


def as_text(facts: dict, figures: dict[str, dict]) -> str:
    """Return the study as JSON with one measurement per line, so that its diffs are readable."""
    head = json.dumps(facts, indent=2).removesuffix("\n}")
    lines = [f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in figures.items()]
    return head + ',\n  "figures": {\n' + ",\n".join(lines) + "\n  }\n}\n"


def study() -> tuple[dict, dict[str, dict]]:
    """Return the settings and the measured values of all runs; compute the missing ones."""
    data, checksums = {}, {}
    figures: dict[str, dict] = {}
    for name in EPOCHS:
        images = load_images(name)
        data[name] = data_sha256(images)
        for objective in OBJECTIVES:
            runs = []
            for seed in SEEDS:
                print(f"{name}, {objective}, seed {seed}", flush=True)
                runs.append(run(images, objective, seed))
                checksums[weights_path(name, objective, seed).stem] = runs[-1]["sha256"]
            for figure in runs[0]["figures"]:
                values = [each["figures"][figure] for each in runs]
                figures[f"{name}/{objective}/{figure}"] = summary(values)
    facts = {
        "command": "python3 course.py study",
        "epochs": EPOCHS,
        "objectives": {
            name: dict(zip(("free_bits", "beta"), pair, strict=True))
            for name, pair in OBJECTIVES.items()
        },
        "seeds": list(SEEDS),
        "latent_dim": LATENT_DIM,
        "queries": QUERIES,
        "precision": "float32",
        "versions": {"python": platform.python_version(), "torch": version("torch")},
        "data_sha256": data,
        "weights_sha256": checksums,
    }
    return facts, figures


def main(arguments: list[str]) -> int:
    argparse.ArgumentParser(prog="course.py study", description=__doc__).parse_args(arguments)
    try:
        facts, figures = study()
    except KeyboardInterrupt:
        print(
            "\nStopped. Run the same command again to resume from the last complete epoch or run."
        )
        return 130
    write_text_atomically(STUDY, as_text(facts, figures))
    print(f"stored as {STUDY}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
