"""Positions of the ten sliders that have something to teach, chosen by computation.

For the instructors' guide (`course.py guide`): a z to paste into the explorer, and what is then to
be seen there, on Fashion-MNIST and on the drawn garments.
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
DRAWS = 1000  # z of each kind, from which the most telling one is taken
GARMENT = 11  # whose z notebook 00 begins with
STEPS = (-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0)  # of one slider

Z = list[float]


def load_wardrobe(name: str) -> Wardrobe:
    """Return the shipped model with ten sliders, its index and its images."""
    images = load_images(name)
    vae = load_pretrained(name, latent_dim=10)
    return Wardrobe(vae, PosteriorIndex(encode_dataset(vae, images.train_images)), images)


def rounded(z: Tensor) -> Z:
    """Return z with two decimals: short enough to paste, and no minus zero."""
    return [round(value, 2) + 0.0 for value in z.tolist()]


def telling_positions(wardrobe: Wardrobe) -> dict[str, Z]:
    """Return a z for each lesson, by its name; the same on every call."""
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
    """Return z of one kind, [DRAWS, 10]."""
    sources = all_sources(wardrobe.vae, wardrobe.index.posteriors, wardrobe.images)
    return sources[source](DRAWS, torch.Generator().manual_seed(0)).z


def disagreement(wardrobe: Wardrobe) -> Tensor:
    """Return the draw of a posterior whose two winners lie farthest apart, in nats of log q."""
    z = draws(wardrobe, "posterior")
    best = wardrobe.index.search(z, 1).scores[:, 0]
    rival = wardrobe.index.search(z, 1, "euclidean").indices[:, 0]
    of_rival = wardrobe.index.posteriors[rival]
    normal = torch.distributions.Normal(of_rival.mean, of_rival.std)
    return z[(best - normal.log_prob(z).sum(dim=1)).argmax()]


def hole(wardrobe: Wardrobe) -> Tensor:
    """Return, of the shorter half of the prior's draws, the one farthest from all garments."""
    z = draws(wardrobe, "prior")
    short = z[z.norm(dim=1) < z.norm(dim=1).median()]
    return short[wardrobe.index.mahalanobis2(short).argmax()]


def two_of_one_hub(wardrobe: Wardrobe) -> tuple[Tensor, Tensor]:
    """Return the two z whose pictures differ most, of those that one garment answers most often."""
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
    """What is to be seen at a z."""

    wardrobe: Wardrobe
    z: Z
    answer: Answer
    pixel_distance: dict[str, float]  # of the first garment by each rule, and the least of all
    looks_like: int  # the garment with that least pixel distance

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
    """Set the sliders to z, and look."""
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
    """Return the first garment by a rule, and the classes of its ten."""
    neighbors = sight.answer.neighbors[rule]
    classes = Counter(sight.class_of(garment) for garment in neighbors.indices.tolist())
    ten = ", ".join(f"{count} {name}" for name, count in classes.most_common())
    caption = captions(neighbors, sight.wardrobe.images)[0]
    return f"**{caption.text}** (garment {caption.garment}); the ten: {ten}"


def lines(sight: Sight) -> dict[str, str]:
    """Return everything that there is to say of a z, by its title."""
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
    """Return the Markdown of one position: a z to paste for each data set, and what follows."""
    pastes: dict[str, list[str]] = {}  # one block for both data sets, where they take the same z
    for name, sight in sights.items():
        pastes.setdefault(to_paste(sight.z), []).append(DATA_SETS[name])
    blocks = [f"{' and '.join(on)}:\n\n```python\n{z}\n```\n\n" for z, on in pastes.items()]
    columns = [lines(sight) for sight in sights.values()]
    table = [f"| | {' | '.join(DATA_SETS[name] for name in sights)} |", "|---" * 3 + "|"]
    table += [f"| {title} | {' | '.join(c[title] for c in columns)} |" for title in columns[0]]
    return "".join(blocks) + "\n".join(table)


def sweep_block(wardrobes: dict[str, Wardrobe]) -> str:
    """Return what one step of the strongest and of the weakest slider does to the rows."""
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
    """Return how many of GARMENT's ten nearest by likelihood stay, after steps of slider j."""
    z = torch.tensor(rounded(wardrobe.index.posteriors.mean[GARMENT])).repeat(len(STEPS), 1)
    z[:, j] += torch.tensor(STEPS)
    rows = wardrobe.index.search(z, SHOWN).indices.tolist()
    here = set(rows[STEPS.index(0.0)])
    return [len(here & set(row)) for row in rows]
