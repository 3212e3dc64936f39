"""The exercises of notebook 03: what an index stores, the length of z, and the posterior's σ."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Generator, Tensor

from vae_course.exercises.cases import (
    COUNTS,
    normal,
    numbers,
    pick,
    random_gaussians,
    shown,
    uniform,
)
from vae_course.exercises.exercise import Case, Exercise, Mistake
from vae_lib.retrieval import PosteriorIndex

# --- 3.1 ------------------------------------------------------------------------------------------

ENCODINGS = ("mean", "sample", "mean and std", "mean of many samples")


def true_encoding() -> str:
    """Return the encoding with which an index gives the exact order by likelihood.

    Each encoding is tried twice on random garments, with fresh noise each time.
    """
    generator = torch.Generator().manual_seed(0)
    mean, std = random_gaussians(generator, 40, 3)
    z = normal(generator, 20, 3)
    exact = PosteriorIndex(mean=mean, std=std).search(z, k=40).indices
    good = []
    for name in ENCODINGS:
        orders = []
        for _ in range(2):
            eps = normal(generator, 100, 40, 3)
            kept, spread = {
                "mean": (mean, torch.ones_like(std)),
                "sample": (mean + std * eps[0], torch.ones_like(std)),
                "mean and std": (mean, std),
                "mean of many samples": ((mean + std * eps).mean(dim=0), torch.ones_like(std)),
            }[name]
            orders.append(PosteriorIndex(mean=kept, std=spread).search(z, k=40).indices)
        if all(order.equal(exact) for order in orders):
            good.append(name)
    (answer,) = good
    return answer


ENCODING = Exercise(
    id="3.1",
    title="what goes into the index?",
    ask=(
        "The index has to rank all garments by log q(z|x) for any z that comes, and to give the "
        "same answer every time. What do you store of each garment? Choose "
        '`"mean"`, `"sample"`, `"mean and std"` or `"mean of many samples"`.'
    ),
    stub="my_encoding = ...",
    name="my_encoding",
    kind="text",
    options=ENCODINGS,
    oracle=true_encoding,
    verified="We tried all four on 40 garments, twice. Only μ with σ gives the exact order.",
    mistakes=(
        Mistake(
            "mean",
            "an index of points",
            "It gives the same answer every time. But can you compute log q(z|x) from it?",
        ),
        Mistake(
            "sample",
            "an index of single draws",
            "Encode the data set twice: would the index be the same?",
        ),
        Mistake(
            "mean of many samples",
            "an index of points, computed in a slow way",
            "What is the average of many samples? What does it no longer tell you?",
        ),
    ),
)

# --- 3.2 ------------------------------------------------------------------------------------------


def true_squared_length(mean: Tensor, std: Tensor) -> Tensor:
    """Return E‖z‖² under the aggregate posterior."""
    q = torch.distributions.Normal(mean, std)
    return torch.stack([(m**2 + v).sum() for m, v in zip(q.mean, q.variance, strict=True)]).mean()


def length_cases(
    generator: Generator, mean: tuple = (3.0, 0.0), std: tuple = (0.5, 2.0)
) -> list[Case]:
    """Return one garment for mental arithmetic, and draw several."""
    return [
        Case("the example", (numbers(mean), numbers(std))),
        *(
            Case("several garments", random_gaussians(generator, n, d))
            for n, d in ((6, 10), (9, 2))
        ),
    ]


def length_variant(generator: Generator) -> Exercise:
    """Draw the exercise with another example."""
    mean = pick(generator, 1.0, 2.0, 4.0), pick(generator, -1.0, 0.0, 2.0)
    std = pick(generator, 0.5, 1.5), pick(generator, 2.0, 3.0)
    value = float(true_squared_length(numbers(mean), numbers(std)))
    example = (
        f"(For a single garment with μ = ({shown(mean[0])}, {shown(mean[1])}) and "
        f"σ = ({shown(std[0])}, {shown(std[1])}) it is {shown(value)}.)"
    )
    return replace(
        SQUARED_LENGTH,
        ask=SQUARED_LENGTH_ASK + example,
        cases=lambda generator: length_cases(generator, mean, std),
    )


SQUARED_LENGTH_ASK = (
    "Draw z from q(z|x) of a garment picked at random. What is ‖z‖² on average? Compute it "
    "without drawing anything, from `mean` and `std`, both [N, d]; the answer is one number. "
)
SQUARED_LENGTH = Exercise(
    id="3.2",
    title="how long is a z from a garment?",
    ask=SQUARED_LENGTH_ASK + "(For a single garment with μ = (3, 0) and σ = (½, 2) it is 13.25.)",
    vary=length_variant,
    stub="def my_squared_length(mean, std):\n    return ...",
    name="my_squared_length",
    oracle=true_squared_length,
    verified="It is the exact average for 1, 6 and 9 garments, in 2 and 10 dimensions.",
    parameters=("mean", "std"),
    cases=length_cases,
    mistakes=(
        Mistake(
            lambda mean, std: (mean**2).sum(1).mean(),
            "the squared length of μ alone",
            "A draw is μ + σ ⊙ ε. Does ε make it longer or shorter, on average?",
        ),
        Mistake(
            lambda mean, std: (std**2).sum(1).mean(),
            "the spread around μ alone",
            "The garments do not all lie at 0.",
        ),
        Mistake(
            lambda mean, std: (mean**2 + std).sum(1).mean(),
            "σ where σ² belongs",
            "What is the average of (σε)²?",
        ),
        Mistake(
            lambda mean, std: ((mean + std) ** 2).sum(1).mean(),
            "the square of μ + σ",
            "ε is negative as often as it is positive. What is the average of the term 2μσε?",
        ),
        Mistake(
            lambda mean, std: (mean**2 - std**2).sum(1).mean(),
            "a variance that is subtracted",
            "E z² − (E z)² is the variance. Solve for E z².",
        ),
        Mistake(
            lambda mean, std: (mean**2 + std**2).mean(),
            "a mean over the dimensions where a sum belongs",
            "A squared length is a sum over the dimensions.",
        ),
        Mistake(
            lambda mean, std: (mean**2 + std**2).sum(),
            "a sum over the garments",
            "The garment is picked at random: average over garments.",
        ),
        Mistake(
            lambda mean, std: (mean**2 + std**2).sum(1).mean().sqrt(),
            "a length that is not squared",
            "Leave out the root.",
        ),
        Mistake(
            lambda mean, std: (mean**2 + std**2).sum(1),
            "one number for each garment",
            "Only the last step is missing: the garment is picked at random.",
        ),
    ),
)

# --- 3.3 ------------------------------------------------------------------------------------------


def true_user_length(sliders: int, reach: float) -> float:
    """Return the root mean square length of z uniform on a cube, by numerical integration."""
    line = torch.linspace(-reach, reach, 100_001, dtype=torch.float64)
    mean_square = torch.trapezoid(line**2, line) / (2 * reach)
    return math.sqrt(sliders * mean_square)


def mean_length(sliders: int, reach: float) -> float:
    """Return the mean length of z uniform on a cube, from many draws."""
    z = reach * (2 * uniform(Generator().manual_seed(0), 50_000, sliders) - 1)
    return float(z.norm(dim=1).mean())


def user_length_variant(generator: Generator) -> Exercise:
    """Draw the exercise with another number of sliders of another length."""
    sliders = int(pick(generator, 6, 7, 8, 9, 11, 12))
    return user_length(sliders, pick(generator, 2.2, 2.4, 2.6, 2.8, 3.2, 3.4, 3.6, 3.8, 4.2, 4.4))


def user_length(sliders: int = 10, reach: float = 3.0) -> Exercise:
    """Return the exercise for a number of sliders, each from −reach to reach."""
    return Exercise(
        id="3.3",
        title=f"how long is a z from {COUNTS[sliders]} sliders?",
        ask=(
            f"Now the sliders are shorter: there are {COUNTS[sliders]}, each uniform on "
            f"[−{reach:g}, {reach:g}]. How long is such a z "
            "typically? Give the root of the average of ‖z‖², to one decimal at least. "
            "**Guess first:** longer than a garment's z "
            f"(about {sliders**0.5:.1f}), or shorter?"
        ),
        stub="my_user_length = ...",
        name="my_user_length",
        kind="number",
        oracle=lambda: true_user_length(sliders, reach),
        vary=user_length_variant,
        relative_tolerance=0,
        absolute_tolerance=0.051,
        verified="Shorter sliders help, and a user's z is still much longer than a garment's.",
        mistakes=(
            Mistake(
                sliders**0.5,
                "the length of a z from the prior",
                "Its squares average 1. What do the squares of a number from "
                f"[−{reach:g}, {reach:g}] average?",
            ),
            Mistake(
                reach * sliders**0.5,
                "the length of a corner, where all sliders are at an end",
                "That is the longest z there is. Most sliders are somewhere in the middle.",
            ),
            Mistake(
                sliders * reach**2 / 3,
                "the average of ‖z‖²",
                "The exercise asks for a length, so one step is missing.",
            ),
            Mistake(
                (reach**2 / 3) ** 0.5,
                "the typical size of a single slider",
                f"There are {COUNTS[sliders]} of them, and their squares add up.",
            ),
            Mistake(
                reach / 2 * sliders**0.5,
                "the average of |z| in place of the root of the average of z²",
                "Square first, then average, and take the root at the end.",
            ),
            Mistake(
                mean_length(sliders, reach),
                "the mean length in place of the root of the mean square",
                "The mean of a length is a little smaller than the root of the mean of its square.",
            ),
            Mistake(
                mean_length(sliders, 5.0),
                "the mean length of a z from sliders from −5 to 5",
                f"These sliders end at {reach:g}. Square first, then average, then take the root.",
            ),
            Mistake(
                (sliders * 25 / 3) ** 0.5,
                "the answer for sliders from −5 to 5",
                f"These end at {reach:g}.",
            ),
            Mistake(
                (sliders * 2 * reach / 12) ** 0.5,
                "the width of the interval where its square belongs",
                "The variance of a uniform number is its width *squared* divided by 12.",
            ),
            Mistake(0.0, "the length of the average z", "Average the lengths, not the z."),
        ),
    )


USER_LENGTH = user_length()

# --- 3.4 ------------------------------------------------------------------------------------------


def true_posterior_std(z: Tensor, log_weight: Tensor) -> Tensor:
    """Return the weighted standard deviation in each dimension, by NumPy."""
    weights = log_weight.softmax(dim=0).numpy()
    mean = np.average(z.numpy(), axis=0, weights=weights)
    return torch.as_tensor(np.average((z.numpy() - mean) ** 2, axis=0, weights=weights)).sqrt()


def weight_cases(generator: Generator) -> list[Case]:
    """Three draws to compute by hand, some random ones, and some with tiny weights."""
    example = numbers([0.0, 1.0], [2.0, 1.0], [4.0, 4.0]), numbers(1.0, 2.0, 1.0).log()
    cases = [Case("the example", example)]
    for name, level in (("random draws", -1.0), (TINY, -2000.0)):
        z = 1 + normal(generator, 50, 4)
        cases.append(Case(name, (z, level + normal(generator, 50))))
    return cases


def _weighted_variance(z: Tensor, weights: Tensor) -> Tensor:
    return weights @ (z - weights @ z) ** 2


TINY = "weights of about exp(−2000)"
POSTERIOR_STD = Exercise(
    id="3.4",
    title="the true posterior's standard deviation",
    ask=(
        "Someone drew `z` [K, d] from a distribution r(z), and computed the logarithm of each "
        "weight w = p(x|z) p(z) / r(z), `log_weight` [K]. Estimate the standard deviation [d] of "
        "the true posterior p(z|x) in each dimension. Log weights of −2000 nats, which are "
        "ordinary for pictures, must not upset it. An example: for `z` "
        "[[0, 1], [2, 1], [4, 4]] and weights in the ratio 1 : 2 : 1 it is 1.414 and 1.299."
    ),
    stub="def my_posterior_std(z, log_weight):\n    return ...",
    name="my_posterior_std",
    oracle=true_posterior_std,
    verified="It agrees with NumPy's weighted average, also where every weight underflows to 0.",
    parameters=("z", "log_weight"),
    cases=weight_cases,
    hints=(
        "Only the ratios of the weights matter. Make weights that sum to 1 out of `log_weight`.",
        "The weighted mean of z is Σ w z. The weighted variance is a mean of squares, too: of "
        "which squares?",
        "A softmax subtracts the largest value before it takes exponentials, so it does not "
        "underflow.",
        "With weights w of shape [K], `w @ z` is the mean [d]. Do the same with the squared "
        "differences from that mean.",
    ),
    mistakes=(
        Mistake(
            lambda z, log_weight: _weighted_variance(
                z, log_weight.exp() / log_weight.exp().sum()
            ).sqrt(),
            "weights that underflow: exp(−2000) is 0, and so is their sum",
            "Only ratios of weights matter. What may you subtract from all log weights first?",
            only_on=TINY,
        ),
        Mistake(
            lambda z, log_weight: z.std(dim=0, correction=0),
            "the standard deviation of the draws, without their weights",
            "That describes r(z). The weights turn draws from r(z) into an answer about p(z|x).",
        ),
        Mistake(
            lambda z, log_weight: z.std(dim=0),
            "the standard deviation of the draws, without their weights, by `std`",
            "That describes r(z). Where do the weights enter?",
        ),
        Mistake(
            lambda z, log_weight: _weighted_variance(z, log_weight.softmax(dim=0)),
            "the variance",
            "One last step leads from the variance to the standard deviation.",
        ),
        Mistake(
            lambda z, log_weight: (log_weight.softmax(dim=0) @ z**2).sqrt(),
            "the root of the mean square of z",
            "The spread is measured from the posterior's mean, not from 0.",
        ),
        Mistake(
            lambda z, log_weight: (log_weight.softmax(dim=0) @ (z - z.mean(dim=0)) ** 2).sqrt(),
            "a spread around the mean of the draws",
            "The centre has to be weighted, too.",
        ),
        Mistake(
            lambda z, log_weight: log_weight.softmax(dim=0) @ z,
            "the posterior's mean",
            "That is half of the way. How far do the draws lie from it?",
        ),
        Mistake(
            lambda z, log_weight: (log_weight.exp() @ (z - log_weight.exp() @ z) ** 2).sqrt(),
            "weights that are not normalised",
            "The weights have to sum to 1.",
        ),
        Mistake(
            lambda z, log_weight: _weighted_variance(z, log_weight / log_weight.sum()).sqrt(),
            "log weights used as weights",
            "The weights are the exponentials of `log_weight`.",
        ),
        Mistake(
            lambda z, log_weight: _weighted_variance(z, log_weight.softmax(dim=0)).sum().sqrt(),
            "one number for all dimensions together",
            "Each dimension has a standard deviation of its own.",
        ),
    ),
)

EXERCISES = (ENCODING, SQUARED_LENGTH, USER_LENGTH, POSTERIOR_STD)
