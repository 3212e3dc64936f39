"""The exercises of notebook 05: recall@k, the winner far away, and the gate."""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from vae_course.exercises.cases import normal, numbers, random_gaussians
from vae_course.exercises.exercise import Case, Exercise, Mistake

# --- 5.1 ------------------------------------------------------------------------------------------


def true_recall(indices: Tensor, garment: Tensor, k: int) -> float:
    """Return the share of queries whose garment is among the first k returned."""
    found = [int(own) in row[:k].tolist() for row, own in zip(indices, garment, strict=True)]
    return sum(found) / len(found)


def recall_cases(generator: Generator) -> list[Case]:
    """Draw three queries to check by hand, and 40 with the garment in places 1 to 6 or missing."""
    indices = torch.tensor([[7, 2, 5, 1], [3, 7, 4, 0], [6, 5, 9, 8]])
    cases = [Case("the example", (indices, torch.tensor([7, 4, 2]), 2))]
    for k in (2, 3):
        orders = [torch.randperm(30, generator=generator)[:6] for _ in range(40)]
        indices = torch.stack(orders)
        places = torch.randint(8, (40,), generator=generator)  # 6 and 7: not returned
        own = torch.where(places < 6, indices.gather(1, places[:, None].clamp(max=5))[:, 0], 99)
        cases.append(Case(f"recall@{k}", (indices, own, k)))
    return cases


def _found(indices: Tensor, garment: Tensor) -> Tensor:
    return (indices == garment[:, None]).double()  # [Q, K], at most a single 1 in each row


RECALL = Exercise(
    id="5.1",
    title="recall@k",
    ask=(
        "`indices` [Q, K] holds the answers to Q queries, best first; `garment` [Q] the garment "
        "that each z was drawn from. Return recall@k, where `k` may be smaller than K. An example: "
        "with `indices` [[7, 2, 5, 1], [3, 7, 4, 0], [6, 5, 9, 8]], `garment` [7, 4, 2] and "
        "`k` = 2 it is 1/3."
    ),
    stub="def my_recall(indices, garment, k):\n    return ...",
    name="my_recall",
    oracle=true_recall,
    verified="The share of hits among the first k is right on 80 random queries.",
    parameters=("indices", "garment", "k"),
    cases=recall_cases,
    mistakes=(
        Mistake(
            lambda indices, garment, k: _found(indices, garment).sum(1).mean(),
            "recall@K: all garments returned are counted",
            "Only the first k columns belong to recall@k.",
        ),
        Mistake(
            lambda indices, garment, k: _found(indices, garment)[:, k - 1].mean(),
            "the share found exactly at place k",
            "A garment that comes first is among the first k, too.",
        ),
        Mistake(
            lambda indices, garment, k: _found(indices, garment)[:, : k + 1].sum(1).mean(),
            "the first k + 1 garments",
            "Which columns does `[:, :k]` keep?",
        ),
        Mistake(
            lambda indices, garment, k: _found(indices, garment)[:, : k - 1].sum(1).mean(),
            "the first k − 1 garments",
            "A slice leaves out its end, so `[:, :k]` keeps k columns.",
        ),
        Mistake(
            lambda indices, garment, k: _found(indices, garment)[:, :k].sum(),
            "a count of hits",
            "Recall is a share. Of how many queries?",
        ),
        Mistake(
            lambda indices, garment, k: _found(indices, garment)[:, :k].mean(),
            "precision@k: hits divided by all k garments returned",
            "There is one right garment for each query. Divide by the number of queries.",
        ),
        Mistake(
            lambda indices, garment, k: (
                (_found(indices, garment)[:, :k] / torch.arange(1, k + 1)).sum(1).mean()
            ),
            "the mean reciprocal rank",
            "For recall, every place among the first k counts the same.",
        ),
        Mistake(
            lambda indices, garment, k: _found(indices, garment)[:, 0].mean(),
            "recall@1, whatever k is",
            "The garment may stand at any of the first k places.",
        ),
        Mistake(
            lambda indices, garment, k: 100 * _found(indices, garment)[:, :k].sum(1).mean(),
            "a percentage",
            "A share lies between 0 and 1.",
        ),
        Mistake(
            lambda indices, garment, k: 1 - _found(indices, garment)[:, :k].sum(1).mean(),
            "the share of misses",
            "Recall counts the queries whose garment was found.",
        ),
    ),
)

# --- 5.2 ------------------------------------------------------------------------------------------


FAR_APART = "garments far apart"


def true_far_winner(mean: Tensor, std: Tensor, u: Tensor) -> int:
    """Return the garment whose log q falls slowest along u: the smallest Σ uⱼ²/σⱼ²."""
    falls = [float(((u / s) ** 2).sum()) for s in std]
    return falls.index(min(falls))


def far_cases(generator: Generator) -> list[Case]:
    """Draw three garments to think through, and random ones, each with a clear winner.

    In the last cases the means are so far out that the winner at any common r is another garment.
    """
    example = (
        numbers([0.0, 0.0], [3.0, 0.0], [0.0, 1.0]),
        numbers([1.0, 3.0], [0.5, 0.5], [2.0, 0.4]),
        numbers(1.0, 0.0),
    )
    cases = [Case("the example", example)]
    for number in range(60):
        while True:
            mean, std = random_gaussians(generator, 12, 5)
            std = std * torch.exp(0.8 * torch.randn(std.shape, generator=generator))
            u = normal(generator, 5)
            u = u / u.norm()
            falls = ((u / std) ** 2).sum(dim=1)
            first, second = falls.sort().values[:2]
            here = ((mean / std) ** 2).sum(dim=1).argmin()  # the winner where r is small
            if second > 1.2 * first and here != falls.argmin():
                break
        if number < 45:
            cases.append(Case(f"direction {number + 1}", (mean, std, u)))
        else:
            cases.append(Case(FAR_APART, (1e9 * mean, std, u)))
    return cases


FAR_WINNER = Exercise(
    id="5.2",
    title="the winner far away",
    ask=(
        "A z moves away in one direction: z = r · `u`, where `u` [d] has length 1. Return the "
        "index of the garment with the highest log q(z|x) for all large r, without choosing an r. "
        "`mean` and `std` have the shape [N, d]. An example: with `mean` [[0, 0], [3, 0], [0, 1]], "
        "`std` [[1, 3], [0.5, 0.5], [2, 0.4]] and `u` [1, 0] it is 2."
    ),
    stub="def my_far_winner(mean, std, u):\n    return ...",
    name="my_far_winner",
    oracle=true_far_winner,
    verified="The winner is right in 60 random directions.",
    parameters=("mean", "std", "u"),
    cases=far_cases,
    mistakes=(
        Mistake(
            lambda mean, std, u: ((u / std) ** 2).sum(1).argmax(),
            "the garment whose log q falls fastest",
            "The winner is the garment whose log q falls slowest.",
        ),
        Mistake(
            lambda mean, std, u: std.log().sum(1).argmax(),
            "the garment with the largest Σ log σ, the widest overall",
            "It must be wide in the direction in which z moves. Where does u enter?",
        ),
        Mistake(
            lambda mean, std, u: ((u * std) ** 2).sum(1).argmax(),
            "the garment with the largest Σ u²σ²",
            "This is close, but log q divides by σ in each dimension.",
        ),
        Mistake(
            lambda mean, std, u: (mean @ u).argmax(),
            "the garment whose mean lies farthest along u",
            "Write out the terms of log q with r² and with r. Which of them decides for large r?",
        ),
        Mistake(
            lambda mean, std, u: (
                (-0.5 * ((1000 * u - mean) / std) ** 2 - std.log()).sum(1).argmax()
            ),
            "the winner at one r, a large one",
            "For some garments your r is still too small. Which term of log q decides for all "
            "large r?",
            only_on=FAR_APART,
        ),
        Mistake(
            lambda mean, std, u: (mean - 100 * u).norm(dim=1).argmin(),
            "the garment whose mean is nearest to r · u",
            "That is the Euclidean winner. What does the likelihood divide by?",
        ),
        Mistake(
            lambda mean, std, u: ((u / std) ** 2).sum(1).amin(),
            "the smallest Σ u²/σ² itself",
            "Which garment has it? Return its index.",
        ),
        Mistake(
            lambda mean, std, u: (std @ u.abs()).argmax(),
            "the garment with the largest Σ |u| σ",
            "One narrow dimension is enough to lose. Does log q multiply u by σ, or divide it?",
        ),
        Mistake(
            lambda mean, std, u: (u.abs() / std).sum(1).argmin(),
            "the smallest Σ |u|/σ, without the squares",
            "Log q squares the distance in each dimension.",
        ),
        Mistake(
            lambda mean, std, u: (u**2 / std).sum(1).argmin(),
            "the smallest Σ u²/σ",
            "Log q divides the distance by σ before squaring it.",
        ),
    ),
)

# --- 5.3 ------------------------------------------------------------------------------------------


def true_familiar(z: Tensor, mean: Tensor, std: Tensor, threshold: float) -> list[bool]:
    """Return for each z whether its Mahalanobis² to some garment is below the threshold."""
    return [
        any(float((((q - m) / s) ** 2).sum()) < threshold for m, s in zip(mean, std, strict=True))
        for q in z
    ]


def gate_cases(generator: Generator) -> list[Case]:
    """Draw three z to check by hand, and 200 around four garments, none at the threshold."""
    example = (
        numbers([0.5, 0.0], [0.0, 3.0], [9.0, 9.0]),
        numbers([0.0, 0.0], [2.0, 0.0]),
        numbers([0.5, 2.0], [1.0, 0.5]),
        4.0,
    )
    cases = [Case("the example", example)]
    for threshold in (9.0, 16.0):
        while True:
            mean, std = random_gaussians(generator, 4, 3)
            std = std * torch.exp(0.5 + 0.7 * torch.randn(std.shape, generator=generator))
            z = 1.5 * normal(generator, 200, 3)
            if (_squared(z, mean, std) / threshold - 1).abs().min() > 1e-4:
                break
        cases.append(Case(f"threshold {threshold:g}", (z, mean, std, threshold)))
    return cases


def _squared(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (((z[:, None] - mean) / std) ** 2).sum(dim=2)  # [Q, N]


def _of_the_nearest(z: Tensor, mean: Tensor, std: Tensor, order: Tensor) -> Tensor:
    return _squared(z, mean, std).gather(1, order[:, None])[:, 0]


GATE = Exercise(
    id="5.3",
    title="the gate",
    ask=(
        "Decide for each z [Q, d] whether it is familiar, which means that its Mahalanobis² to at "
        "least one garment is below `threshold`. `mean` and `std` have the shape [N, d]; the "
        "answer [Q] holds True or False. An example: with `z` [[0.5, 0], [0, 3], [9, 9]], `mean` "
        "[[0, 0], [2, 0]], `std` [[0.5, 2], [1, 0.5]] and a `threshold` of 4 it is True, True, "
        "False."
    ),
    stub="def my_familiar(z, mean, std, threshold):\n    return ...",
    name="my_familiar",
    oracle=true_familiar,
    verified="The decision is right for 400 z and two thresholds.",
    parameters=("z", "mean", "std", "threshold"),
    cases=gate_cases,
    mistakes=(
        Mistake(
            lambda z, mean, std, threshold: _squared(z, mean, std).amin(1) >= threshold,
            "the opposite: True where z is far from everything",
            "A z is familiar if its smallest distance is small.",
        ),
        Mistake(
            lambda z, mean, std, threshold: _squared(z, mean, std).amax(1) < threshold,
            "z inside the ellipsoid of every garment",
            "One near garment is enough.",
        ),
        Mistake(
            lambda z, mean, std, threshold: _squared(z, mean, std).mean(1) < threshold,
            "the average distance to all garments",
            "Most garments are far from any z. Which garment matters?",
        ),
        Mistake(
            lambda z, mean, std, threshold: _squared(z, mean, std).amin(1).sqrt() < threshold,
            "a distance that was not squared",
            "The threshold is a quantile of χ², which is a sum of squares.",
        ),
        Mistake(
            lambda z, mean, std, threshold: _squared(z, mean, std**2).amin(1) < threshold,
            "σ² where σ belongs",
            "`std` is σ, not the variance.",
        ),
        Mistake(
            lambda z, mean, std, threshold: 0.5 * _squared(z, mean, std).amin(1) < threshold,
            "half of the Mahalanobis²",
            "The ½ belongs to log q. The χ² distribution is about a sum of squares without it.",
        ),
        Mistake(
            lambda z, mean, std, threshold: (
                (((z[:, None] - mean) / std) ** 2).amin(1).sum(1) < threshold
            ),
            "the nearest garment of each dimension by itself",
            "Sum over the dimensions of each garment first, then take the smallest sum.",
        ),
        Mistake(
            lambda z, mean, std, threshold: (
                _squared(z, mean, torch.ones_like(std)).amin(1) < threshold
            ),
            "Euclidean distance",
            "Each garment has its own ellipsoid. What determines its shape?",
        ),
        Mistake(
            lambda z, mean, std, threshold: (
                _of_the_nearest(z, mean, std, _squared(z, mean, torch.ones_like(std)).argmin(1))
                < threshold
            ),
            "the ellipsoid of the garment with the nearest mean alone",
            "A z may be inside the wide ellipsoid of a garment whose mean is farther away.",
        ),
        Mistake(
            lambda z, mean, std, threshold: (
                _of_the_nearest(
                    z,
                    mean,
                    std,
                    (-0.5 * _squared(z, mean, std) - std.log().sum(1)).argmax(1),
                )
                < threshold
            ),
            "the ellipsoid of the likelihood's winner alone",
            "This is close, but Σ log σ may favour a garment without the smallest Mahalanobis².",
        ),
    ),
)

# --- 5.4 ------------------------------------------------------------------------------------------


def small_decode(z: Tensor) -> Tensor:
    """Decode z [Q, 2] into pictures of two pixels [Q, 2]."""
    return torch.as_tensor(z).mul(0.7).sigmoid()


def small_encode(x: Tensor) -> tuple[Tensor, Tensor]:
    """Encode pictures [Q, 2] into the mean and the standard deviation of q(z|x), both [Q, 2]."""
    return 4 * torch.as_tensor(x) - 2, torch.full_like(torch.as_tensor(x), 0.3)


def gated_cases(generator: Generator) -> list[Case]:
    """Draw forty garments, thirty z of which half are far from all of them, and three near ones."""
    mean, std = random_gaussians(generator, 40, 2)
    z = torch.cat([normal(generator, 15, 2), 4 + 2 * normal(generator, 15, 2)])
    z = z[torch.randperm(30, generator=generator)]
    more = mean, 0.8 * std, small_decode, small_encode, 9.0, 3
    return [Case("thirty z", (z, *more)), Case("three familiar z", (mean[:3] + 0.01, *more))]


def _ranked(z: Tensor, mean: Tensor, std: Tensor, k: int) -> Tensor:
    score = -0.5 * _squared(z, mean, std) - std.log().sum(dim=1)  # [Q, N]
    return score.argsort(dim=1, descending=True)[:, :k]


def gated_by(
    rank: Callable[..., Tensor] = _ranked,
    moves: Callable[..., Tensor] = lambda smallest, threshold: smallest >= threshold,
) -> Callable[..., Tensor]:
    """Return a gated search with another ranking, or another choice of the z that are moved."""

    def search(
        z: Tensor,
        mean: Tensor,
        std: Tensor,
        decode: Callable[[Tensor], Tensor],
        encode: Callable[[Tensor], tuple[Tensor, Tensor]],
        threshold: float,
        k: int,
    ) -> Tensor:
        moved = moves(_squared(z, mean, std).amin(dim=1), threshold)  # [Q]
        return rank(torch.where(moved[:, None], encode(decode(z))[0], z), mean, std, k)

    return search


GATED_SEARCH = Exercise(
    id="5.4",
    title="the gated search",
    ask=(
        "Write the rule that this notebook ends with. For each `z` [Q, d] return the `k` best "
        "garments [Q, k], best first: by likelihood at z where z is familiar, and otherwise by "
        "likelihood at the mean that comes back from the round trip. `mean` and `std` [N, d] "
        "describe the garments. `decode(z)` returns pictures, and `encode(x)` returns a pair, the "
        "mean [Q, d] and the standard deviation [Q, d]. z is familiar if the smallest "
        "Mahalanobis² to any garment is below `threshold`."
    ),
    stub=("def my_gated_search(z, mean, std, decode, encode, threshold, k):\n    return ..."),
    name="my_gated_search",
    oracle=gated_by(),
    verified="The same garments in the same order for thirty z, some familiar and some not.",
    parameters=("z", "mean", "std", "decode", "encode", "threshold", "k"),
    cases=gated_cases,
    hints=(
        "Write three small functions first: which z are familiar (exercise 5.3), the round trip, "
        "and the ranking by likelihood (exercise 4.1).",
        "The round trip of all z at once is `encode(decode(z))`, and its first part is the mean.",
        "Decide for each z by itself. `torch.where(familiar[:, None], z, returned)` takes each row "
        "from one of two tensors.",
        "Rank at the chosen z: −½ Mahalanobis² − Σ log σ, with the largest first.",
    ),
    mistakes=(
        Mistake(
            gated_by(moves=lambda smallest, threshold: smallest > math.inf),
            "the likelihood at z, without a gate",
            "What should happen to a z that is not familiar?",
        ),
        Mistake(
            gated_by(moves=lambda smallest, threshold: smallest > -1),
            "a round trip for every z",
            "A familiar z stays where it is.",
        ),
        Mistake(
            gated_by(moves=lambda smallest, threshold: smallest < threshold),
            "a gate the wrong way round",
            "Which z are sent on the round trip, those near a garment or the others?",
        ),
        Mistake(
            gated_by(
                moves=lambda smallest, threshold: (smallest >= threshold).any().expand_as(smallest)
            ),
            "one decision for the whole batch",
            "Each z is familiar or not by itself.",
        ),
        Mistake(
            gated_by(moves=lambda smallest, threshold: smallest.sqrt() >= threshold),
            "a threshold on the distance that is not squared",
            "The threshold is meant for Mahalanobis², which is a sum of squares.",
        ),
        Mistake(
            gated_by(lambda z, mean, std, k: torch.cdist(z, mean).argsort(dim=1)[:, :k]),
            "a gate before Euclidean distance",
            "Behind the gate the garments are ranked by likelihood.",
        ),
        Mistake(
            gated_by(lambda z, mean, std, k: _squared(z, mean, std).argsort(dim=1)[:, :k]),
            "a ranking by Mahalanobis distance, with Σ log σ dropped",
            "Which term of log q(z|x) is missing?",
        ),
        Mistake(
            gated_by(lambda z, mean, std, k: _ranked(z, mean, std, len(mean)).flip(1)[:, :k]),
            "the least likely garments",
            "A log density is good if it is large.",
        ),
    ),
)

EXERCISES = (RECALL, FAR_WINNER, GATE, GATED_SEARCH)
