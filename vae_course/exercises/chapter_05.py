"""The exercises of notebook 05: recall@k, who wins far away, and the gate."""

import torch
from torch import Generator, Tensor

from vae_course.exercises.chapter_01 import numbers, random_gaussians
from vae_course.exercises.checking import Case, Exercise, Mistake

# --- 5.1 ------------------------------------------------------------------------------------------


def true_recall(indices: Tensor, garment: Tensor, k: int) -> float:
    """Return the share of queries whose garment is among the first k returned."""
    found = [int(own) in row[:k].tolist() for row, own in zip(indices, garment, strict=True)]
    return sum(found) / len(found)


def recall_cases(generator: Generator) -> list[Case]:
    """Three queries to check by hand, then 40 with the garment at places 1 to 6, or missing."""
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
    verified="The share of queries whose own garment is among the first k, on 80 queries.",
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
            "In a slice the end is left out, so `[:, :k]` keeps k columns.",
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
    """Three garments to think through, then some at random, all with a clear winner.

    In the last ones the means lie so far out that no r that one would choose shows who wins.
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
            u = torch.randn(5, generator=generator, dtype=torch.float64)
            u = u / u.norm()
            falls = ((u / std) ** 2).sum(dim=1)
            first, second = falls.sort().values[:2]
            here = ((mean / std) ** 2).sum(dim=1).argmin()  # wins where r is small
            if second > 1.2 * first and here != falls.argmin():
                break
        if number < 45:
            cases.append(Case(f"direction {number + 1}", (mean, std, u)))
        else:
            cases.append(Case(FAR_APART, (1e9 * mean, std, u)))
    return cases


FAR_WINNER = Exercise(
    id="5.2",
    title="who wins far away",
    ask=(
        "z moves away along a direction: z = r · `u`, with `u` [d] of length 1. Return the index "
        "of the garment with the highest log q(z|x) once r is large enough, without choosing an r. "
        "`mean` and `std` have the shape [N, d]. An example: with `mean` [[0, 0], [3, 0], [0, 1]], "
        "`std` [[1, 3], [0.5, 0.5], [2, 0.4]] and `u` [1, 0] it is 2."
    ),
    stub="def my_far_winner(mean, std, u):\n    return ...",
    name="my_far_winner",
    oracle=true_far_winner,
    verified="The garment that wins in the end, in 60 random directions.",
    parameters=("mean", "std", "u"),
    cases=far_cases,
    mistakes=(
        Mistake(
            lambda mean, std, u: ((u / std) ** 2).sum(1).argmax(),
            "the garment whose log q falls fastest",
            "The winner is the one that loses least with growing r.",
        ),
        Mistake(
            lambda mean, std, u: std.log().sum(1).argmax(),
            "the garment with the largest Σ log σ: the widest over all",
            "It must be wide in the direction in which z moves. Where does u enter?",
        ),
        Mistake(
            lambda mean, std, u: ((u * std) ** 2).sum(1).argmax(),
            "the garment with the largest Σ u²σ²",
            "Nearly: but σ stands below the fraction line, in each dimension by itself.",
        ),
        Mistake(
            lambda mean, std, u: (mean @ u).argmax(),
            "the garment whose mean lies farthest along u",
            "Write out the terms of log q that grow with r² and with r. Which wins in the end?",
        ),
        Mistake(
            lambda mean, std, u: (
                (-0.5 * ((1000 * u - mean) / std) ** 2 - std.log()).sum(1).argmax()
            ),
            "the winner at one r, a large one",
            "However large your r, some garments need a larger one. Which term of log q decides in "
            "the end?",
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
            "Which garment has it? Its index is asked for.",
        ),
        Mistake(
            lambda mean, std, u: (std @ u.abs()).argmax(),
            "the garment with the largest Σ |u| σ",
            "One sharp dimension is enough to lose. Does σ multiply u, or divide it?",
        ),
        Mistake(
            lambda mean, std, u: (u.abs() / std).sum(1).argmin(),
            "the smallest Σ |u|/σ, without the squares",
            "The distance in log q is squared, dimension by dimension.",
        ),
        Mistake(
            lambda mean, std, u: (u**2 / std).sum(1).argmin(),
            "the smallest Σ u²/σ",
            "In log q the distance is divided by σ before it is squared.",
        ),
    ),
)

# --- 5.3 ------------------------------------------------------------------------------------------


def true_familiar(z: Tensor, mean: Tensor, std: Tensor, threshold: float) -> list[bool]:
    """Tell of each z whether its Mahalanobis² to some garment is below the threshold."""
    return [
        any(float((((q - m) / s) ** 2).sum()) < threshold for m, s in zip(mean, std, strict=True))
        for q in z
    ]


def gate_cases(generator: Generator) -> list[Case]:
    """Three z to check by hand, then 200 in and around four garments, none at the threshold."""
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
            z = 1.5 * torch.randn(200, 3, generator=generator, dtype=torch.float64)
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
        "Tell of each z [Q, d] whether it is familiar: whether it lies inside some garment's "
        "ellipsoid, a Mahalanobis² below `threshold`. `mean` and `std` have the shape [N, d]; the "
        "answer [Q] holds True or False. An example: with `z` [[0.5, 0], [0, 3], [9, 9]], `mean` "
        "[[0, 0], [2, 0]], `std` [[0.5, 2], [1, 0.5]] and a `threshold` of 4 it is True, True, "
        "False."
    ),
    stub="def my_familiar(z, mean, std, threshold):\n    return ...",
    name="my_familiar",
    oracle=true_familiar,
    verified="Familiar or not, right for 400 z and two thresholds.",
    parameters=("z", "mean", "std", "threshold"),
    cases=gate_cases,
    mistakes=(
        Mistake(
            lambda z, mean, std, threshold: _squared(z, mean, std).amin(1) >= threshold,
            "the opposite: True where z is far from everything",
            "Familiar means that a small distance exists.",
        ),
        Mistake(
            lambda z, mean, std, threshold: _squared(z, mean, std).amax(1) < threshold,
            "z inside the ellipsoid of every garment",
            "One garment that is near is enough.",
        ),
        Mistake(
            lambda z, mean, std, threshold: _squared(z, mean, std).mean(1) < threshold,
            "the average distance to all garments",
            "Most garments are far from any z. Which one matters?",
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
            "The ½ belongs to log q. χ² is a sum of whole squares.",
        ),
        Mistake(
            lambda z, mean, std, threshold: (
                (((z[:, None] - mean) / std) ** 2).amin(1).sum(1) < threshold
            ),
            "the nearest garment of each dimension by itself",
            "Sum over the dimensions first: all of them belong to the same garment.",
        ),
        Mistake(
            lambda z, mean, std, threshold: (
                _squared(z, mean, torch.ones_like(std)).amin(1) < threshold
            ),
            "Euclidean distance",
            "Each garment has an ellipsoid of its own. What gives it its shape?",
        ),
        Mistake(
            lambda z, mean, std, threshold: (
                _of_the_nearest(z, mean, std, _squared(z, mean, torch.ones_like(std)).argmin(1))
                < threshold
            ),
            "the ellipsoid of the garment with the nearest mean alone",
            "A z may lie inside the wide ellipsoid of a garment whose mean is farther away.",
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
            "Nearly: Σ log σ may pick another garment than the one with the smallest Mahalanobis².",
        ),
    ),
)

EXERCISES = (RECALL, FAR_WINNER, GATE)
