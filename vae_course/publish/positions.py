"""Positions of the ten sliders for the instructors' guide, chosen by computation.

For each position, `course.py guide` writes a z to paste into the explorer and what the explorer
then shows, on Fashion-MNIST and on the drawn garments.
"""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_lib import PosteriorIndex, encode_dataset, load_images, load_pretrained
from vae_lib.evaluation import Wardrobe, all_sources
from vae_lib.evaluation.measures import pixel_distances, squared_pixel_distances
from vae_lib.explorer.rows import captions, familiarity, nearness, number
from vae_lib.explorer.state import Answer, ask
from vae_lib.objective import kl_to_prior

DATA_SETS = {"fashion-mnist": "Fashion-MNIST", "drawn": "drawn garments"}
RULES = ("likelihood", "euclidean", "gate")
SHOWN = 10  # garments in a row of the explorer
DRAWS = 1000  # candidates of each kind, of which we keep the clearest one
GARMENT = 11  # notebook 00 starts from its z
STEPS = (-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0)  # of one slider

Z = list[float]


def load_wardrobe(name: str) -> Wardrobe:
    """Return the shipped model with ten sliders, its index and its images."""
    images = load_images(name)
    vae = load_pretrained(name, latent_dim=10)
    return Wardrobe(vae, PosteriorIndex(encode_dataset(vae, images.train_images)), images)


def rounded(z: Tensor) -> Z:
    """Round z to two decimals, so that it is short enough to paste, and avoid −0."""
    return [round(value, 2) + 0.0 for value in z.tolist()]


def telling_positions(wardrobe: Wardrobe) -> dict[str, Z]:
    """Return one z for each lesson, by name. The choice is deterministic."""
    posteriors = wardrobe.index.posteriors
    log_volume = posteriors.std.log().sum(dim=1)
    narrow, wide = log_volume.argmin(), log_volume.argmax()
    first, second = two_of_one_hub(wardrobe)
    return {
        "middle": [0.0] * 10,
        "garment": rounded(posteriors.mean[GARMENT]),
        "narrow": rounded(posteriors.mean[narrow] + posteriors.std[narrow]),
        "wide": rounded(posteriors.mean[wide] + posteriors.std[wide]),
        "disagreement": rounded(disagreement(wardrobe)),
        "hole": rounded(hole(wardrobe)),
        "corner": [5.0, -5.0] * 5,
        "hub 1": rounded(first),
        "hub 2": rounded(second),
    }


def draws(wardrobe: Wardrobe, source: str) -> Tensor:
    """Return z from one source of queries, [DRAWS, 10]."""
    sources = all_sources(wardrobe.vae, wardrobe.index.posteriors, wardrobe.images)
    return sources[source](DRAWS, torch.Generator().manual_seed(0)).z


def disagreement(wardrobe: Wardrobe) -> Tensor:
    """Return the draw for which the two rules' first garments differ most in log q."""
    z = draws(wardrobe, "posterior")
    best = wardrobe.index.search(z, 1).scores[:, 0]
    rival = wardrobe.index.search(z, 1, "euclidean").indices[:, 0]
    of_rival = wardrobe.index.posteriors[rival]
    normal = torch.distributions.Normal(of_rival.mean, of_rival.std)
    return z[(best - normal.log_prob(z).sum(dim=1)).argmax()]


def hole(wardrobe: Wardrobe) -> Tensor:
    """Return the draw farthest from all garments among the shorter half of the prior's draws."""
    z = draws(wardrobe, "prior")
    short = z[z.norm(dim=1) < z.norm(dim=1).median()]
    return short[wardrobe.index.mahalanobis2(short).argmax()]


def two_of_one_hub(wardrobe: Wardrobe) -> tuple[Tensor, Tensor]:
    """Return the two z with the most different pictures among those that one hub answers."""
    z = draws(wardrobe, "uniform 5")
    winner = wardrobe.index.search(z, 1).indices[:, 0]
    mine = z[winner == winner.bincount().argmax()]
    with torch.no_grad():
        pictures = wardrobe.vae.decode(mine).flatten(start_dim=1)
    apart = squared_pixel_distances(pictures, pictures)
    first, second = divmod(int(apart.argmax()), len(mine))
    return mine[first], mine[second]


@dataclass(frozen=True)
class Sight:
    """What the explorer shows at a z.

    Attributes:
        wardrobe: the model, the index and the images.
        z: the position of the sliders.
        answer: the answers of all rules.
        pixel_distance: the pixel distance of each rule's first garment, and the smallest of all.
        looks_like: the garment with the smallest pixel distance.
    """

    wardrobe: Wardrobe
    z: Z
    answer: Answer
    pixel_distance: dict[str, float]
    looks_like: int

    def class_of(self, garment: int) -> str:
        """Return the name of a garment's class."""
        return self.wardrobe.images.class_names[self.wardrobe.images.train_labels[garment]]

    def first(self, rule: str) -> int:
        """Return the number of the garment that comes first by a rule."""
        return int(self.answer.neighbors[rule].indices[0])

    def in_common(self) -> int:
        """Return how many garments the rows by likelihood and by Euclidean distance share."""
        rows = (self.answer.neighbors[rule].indices.tolist() for rule in RULES[:2])
        return len(set.intersection(*map(set, rows)))


def look(wardrobe: Wardrobe, z: Z) -> Sight:
    """Return what the explorer shows when its sliders are at z."""
    answer = ask(wardrobe.vae, wardrobe.index, z, RULES, SHOWN)
    with torch.no_grad():
        picture = wardrobe.vae.decode(torch.tensor([z]))  # [1, 1, 28, 28]
    distances = squared_pixel_distances(picture.flatten(start_dim=1), wardrobe.pixels)[0]
    nearest = int(distances.argmin())
    garments = {rule: int(n.indices[0]) for rule, n in answer.neighbors.items()}
    garments["pixel-nearest"] = nearest
    images = wardrobe.images.train_images[list(garments.values())]
    exact = pixel_distances(picture, images).tolist()
    return Sight(wardrobe, z, answer, dict(zip(garments, exact, strict=True)), nearest)


def row(sight: Sight, rule: str) -> str:
    """Describe the first garment by a rule, and count the classes of its ten."""
    neighbors = sight.answer.neighbors[rule]
    classes = Counter(sight.class_of(garment) for garment in neighbors.indices.tolist())
    ten = ", ".join(f"{count} {name}" for name, count in classes.most_common())
    caption = captions(neighbors, sight.wardrobe.images)[0]
    return f"**{caption.text}** (garment {caption.garment}); the ten: {ten}"


def lines(sight: Sight) -> dict[str, str]:
    """Return all facts about a position, by title."""
    length = torch.tensor(sight.z).norm().item()
    pixels = [f"{sight.pixel_distance[rule]:.0f}" for rule in (*RULES, "pixel-nearest")]
    return {
        "length of z": number(length, 1),
        "decode(z) looks most like a": sight.class_of(sight.looks_like),
        "by likelihood": row(sight, "likelihood"),
        "by Euclidean distance": row(sight, "euclidean"),
        "in common": f"{sight.in_common()} of {SHOWN}",
        "beside the picture": f"{nearness(sight.answer)} {familiarity(sight.answer)}",
        "by the gate": row(sight, "gate") if not sight.answer.familiar else "as by likelihood",
        "pixel distance of the first garment: likelihood, Euclidean, gate; the floor": (
            f"{', '.join(pixels[:-1])}; {pixels[-1]}"
        ),
    }


def to_paste(z: Z) -> str:
    """Return z as the list that the explorer takes."""
    return f"[{', '.join(f'{value:g}' for value in z)}]"


def position_block(sights: dict[str, Sight]) -> str:
    """Return the Markdown of one position: a z to paste for each data set, and a table of facts."""
    pastes: dict[str, list[str]] = {}  # the data sets share a block if z is the same
    for name, sight in sights.items():
        pastes.setdefault(to_paste(sight.z), []).append(DATA_SETS[name])
    blocks = [f"{' and '.join(on)}:\n\n```python\n{z}\n```\n\n" for z, on in pastes.items()]
    columns = [lines(sight) for sight in sights.values()]
    table = [f"| | {' | '.join(DATA_SETS[name] for name in sights)} |", "|---" * 3 + "|"]
    table += [f"| {title} | {' | '.join(c[title] for c in columns)} |" for title in columns[0]]
    return "".join(blocks) + "\n".join(table)


def sweep_block(wardrobes: dict[str, Wardrobe]) -> str:
    """Return a table of how many garments stay in the row after a step of one slider."""
    table = ["| | slider | " + " | ".join(f"{step:+g}" if step else "0" for step in STEPS) + " |"]
    table += ["|---" * (2 + len(STEPS)) + "|"]
    for name, wardrobe in wardrobes.items():
        places = ("top left", "bottom right")
        for j, place in zip(strongest_and_weakest(wardrobe), places, strict=True):
            cells = " | ".join(str(kept) for kept in kept_in_row(wardrobe, j))
            table.append(f"| {DATA_SETS[name]} | z{j + 1}, {place} | {cells} |")
    return "\n".join(table)


def strongest_and_weakest(wardrobe: Wardrobe) -> tuple[int, int]:
    """Return the dimensions with the most and with the least KL: the first and the last slider."""
    posteriors = wardrobe.index.posteriors
    kl = kl_to_prior(torch.distributions.Normal(posteriors.mean, posteriors.std)).mean(dim=0)
    return int(kl.argmax()), int(kl.argmin())


def kept_in_row(wardrobe: Wardrobe, j: int) -> list[int]:
    """Return how many of GARMENT's ten nearest by likelihood remain after each step of slider j."""
    z = torch.tensor(rounded(wardrobe.index.posteriors.mean[GARMENT])).repeat(len(STEPS), 1)
    z[:, j] += torch.tensor(STEPS)
    rows = wardrobe.index.search(z, SHOWN).indices.tolist()
    here = set(rows[STEPS.index(0.0)])
    return [len(here & set(row)) for row in rows]
