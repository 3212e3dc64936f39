"""The exercises of notebook 03: what to keep of a garment, and how long a z is."""

import math
from dataclasses import replace

import torch
from torch import Generator, Tensor

from vae_course.exercises.chapter_01 import numbers, pick, random_gaussians, said
from vae_course.exercises.checking import Case, Exercise, Mistake
from vae_lib.retrieval import PosteriorIndex

# --- 3.1 ------------------------------------------------------------------------------------------

ENCODINGS = ("mean", "sample", "mean and std", "mean of many samples")


def true_encoding() -> str:
    """Return what an index has to hold: tried on random garments, against the exact order.

    Each way is used twice, with fresh noise. The one that gives the order by likelihood both times
    is the answer.
    """
    generator = torch.Generator().manual_seed(0)
    mean, std = random_gaussians(generator, 40, 3)
    z = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    exact = PosteriorIndex(mean=mean, std=std).search(z, k=40).indices
    good = []
    for name in ENCODINGS:
        orders = []
        for _ in range(2):
            eps = torch.randn(100, 40, 3, generator=generator, dtype=torch.float64)
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
    verified="We tried all four on 40 garments: only μ with σ gives the exact order, twice.",
    mistakes=(
        Mistake(
            "mean",
            "an index of points",
            "It gives the same answer every time. But can log q(z|x) be computed from it?",
        ),
        Mistake(
            "sample",
            "the belief that z is the main encoding",
            "Encode the data set twice: would the index be the same?",
        ),
        Mistake(
            "mean of many samples",
            "a long way to a number that the encoder already gave",
            "To what do many samples average? And what has got lost on the way?",
        ),
    ),
)

# --- 3.2 ------------------------------------------------------------------------------------------


def true_squared_length(mean: Tensor, std: Tensor) -> Tensor:
    """Return E‖z‖² under the aggregate posterior, by the second moments of Normals."""
    q = torch.distributions.Normal(mean, std)
    return torch.stack([(m**2 + v).sum() for m, v in zip(q.mean, q.variance, strict=True)]).mean()


def length_cases(
    generator: Generator, mean: tuple = (3.0, 0.0), std: tuple = (0.5, 2.0)
) -> list[Case]:
    """One garment to do in the head, then several."""
    return [
        Case("the example", (numbers(mean), numbers(std))),
        *(
            Case("several garments", random_gaussians(generator, n, d))
            for n, d in ((6, 10), (9, 2))
        ),
    ]


def length_variant(generator: Generator) -> Exercise:
    """Draw another example."""
    mean = pick(generator, 1.0, 2.0, 4.0), pick(generator, -1.0, 0.0, 2.0)
    std = pick(generator, 0.5, 1.5), pick(generator, 2.0, 3.0)
    value = float(true_squared_length(numbers(mean), numbers(std)))
    example = (
        f"(For a single garment with μ = ({said(mean[0])}, {said(mean[1])}) and "
        f"σ = ({said(std[0])}, {said(std[1])}) it is {said(value)}.)"
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
            "ε is negative as often as it is positive. What becomes of the mixed term 2μσε?",
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
            "All of it is right but the last step: pick a garment at random.",
        ),
    ),
)

# --- 3.3 ------------------------------------------------------------------------------------------

COUNTS = {6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve"}


def true_user_length(sliders: int, reach: float) -> float:
    """Return the root mean square length of z uniform on a cube, by adding up along a slider."""
    line = torch.linspace(-reach, reach, 100_001, dtype=torch.float64)
    mean_square = torch.trapezoid(line**2, line) / (2 * reach)
    return math.sqrt(sliders * mean_square)


def user_length_variant(generator: Generator) -> Exercise:
    """Draw another number of sliders, and another length of them."""
    sliders = int(pick(generator, 6, 7, 8, 9, 11, 12))
    return user_length(sliders, pick(generator, 2.2, 2.4, 2.6, 2.8, 3.2, 3.4, 3.6, 3.8, 4.2, 4.4))


def user_length(sliders: int = 10, reach: float = 3.0) -> Exercise:
    """Return the exercise for so many sliders, each from −reach to reach."""
    return Exercise(
        id="3.3",
        title=f"how long is a z from {COUNTS[sliders]} sliders?",
        ask=(
            f"Make the sliders shorter: {COUNTS[sliders]} of them, each uniform on "
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
                "A length is asked for; one step is missing.",
            ),
            Mistake(
                (reach**2 / 3) ** 0.5,
                "the typical size of a single slider",
                f"There are {COUNTS[sliders]} of them, and their squares add up.",
            ),
            Mistake(
                reach / 2 * sliders**0.5,
                "the average of |z| in place of the root of the average of z²",
                "Square first, average then, and take the root at the end.",
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

EXERCISES = (ENCODING, SQUARED_LENGTH, USER_LENGTH)
