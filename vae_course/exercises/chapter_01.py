"""The exercises of notebook 01: the formulas of a VAE."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Generator, Tensor
from torch.distributions import Independent, Normal, kl_divergence

from vae_course.exercises.cases import normal, numbers, pick, random_gaussians, shown
from vae_course.exercises.exercise import Case, Exercise, Mistake

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


# --- 1.1 ------------------------------------------------------------------------------------------


def true_log_density(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return log q(z|x) by torch.distributions."""
    return Independent(Normal(mean, std), 1).log_prob(z)


def log_density_cases(
    generator: Generator, z: float = 2.0, mean: float = 1.0, std: float = 0.5
) -> list[Case]:
    """Draw one garment in one dimension, and several in three and five dimensions."""
    cases = [Case("the example", (numbers(z), numbers([mean]), numbers([std])))]
    for d in (3, 5):
        means, stds = random_gaussians(generator, 4, d)
        code = normal(generator, d)
        cases.append(Case("several garments and dimensions", (code, means, stds)))
    return cases


def log_density_variant(generator: Generator) -> Exercise:
    """Draw the exercise with another example."""
    z, mean = pick(generator, 0.5, 1.5, 2.5), pick(generator, -2.0, -1.0, 3.0)
    std = pick(generator, 0.4, 0.8, 1.25)
    value = float(true_log_density(numbers(z), numbers(mean), numbers(std)))
    example = (
        f"(For z = {shown(z)}, μ = {shown(mean)}, σ = {shown(std)} it is {shown(value)} nats.)"
    )
    return replace(
        LOG_DENSITY,
        ask=LOG_DENSITY_ASK + example,
        cases=lambda generator: log_density_cases(generator, z, mean, std),
    )


def _terms(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return -0.5 * ((z - mean) / std) ** 2 - std.log() - HALF_LOG_2PI


LOG_DENSITY_ASK = (
    "Write log q(z|x), in nats, for one z and several garments at once, from memory if you "
    "can. `z` has the shape [d], `mean` and `std` have [N, d]; the answer has [N]. "
)
LOG_DENSITY = Exercise(
    id="1.1",
    title="the log density of a diagonal Gaussian",
    ask=LOG_DENSITY_ASK + "(Your z = 2, μ = 1, σ = ½ gave −2.226 nats.)",
    vary=log_density_variant,
    stub="def my_log_density(z, mean, std):\n    return ...",
    name="my_log_density",
    oracle=true_log_density,
    verified="It agrees with torch.distributions for several garments in 1, 3 and 5 dimensions.",
    parameters=("z", "mean", "std"),
    cases=log_density_cases,
    mistakes=(
        Mistake(
            lambda z, mean, std: _terms(z, mean, std**2).sum(-1),
            "σ² where σ belongs, everywhere",
            "`std` is σ, not the variance. What is squared in the formula, and what is not?",
        ),
        Mistake(
            lambda z, mean, std: (_terms(z, mean, std) - std.log()).sum(-1),
            "log σ² where log σ belongs",
            "The density is divided by σ, not by σ². What is the logarithm of 1/σ?",
        ),
        Mistake(
            lambda z, mean, std: (-0.5 * (z - mean) ** 2 / std - std.log() - HALF_LOG_2PI).sum(-1),
            "a squared distance that is divided by σ",
            "Divide the distance by σ first, then square it.",
        ),
        Mistake(
            lambda z, mean, std: (-0.5 * (z - mean) ** 2 * std**2 - std.log() - HALF_LOG_2PI).sum(
                -1
            ),
            "a squared distance that is multiplied by σ²",
            "Python reads `a / 2 * b` as (a / 2) · b. Where do brackets belong?",
        ),
        Mistake(
            lambda z, mean, std: (-0.5 * (z - mean) ** 2 - std.log() - HALF_LOG_2PI).sum(-1),
            "a distance that is not divided by σ",
            "A step of 0.1 is long for a narrow garment and short for a wide one.",
        ),
        Mistake(
            lambda z, mean, std: (_terms(z, mean, std) + std.log()).sum(-1),
            "a dropped log σ",
            "A wide bell is flat, because the area under it is 1. Which term accounts for this?",
        ),
        Mistake(
            lambda z, mean, std: (_terms(z, mean, std) + 2 * std.log()).sum(-1),
            "log σ with the wrong sign",
            "Which of two bells is higher in its middle, the narrow one or the wide one?",
        ),
        Mistake(
            lambda z, mean, std: (_terms(z, mean, std) - 0.5 * ((z - mean) / std) ** 2).sum(-1),
            "a missing ½ before the squared distance",
            "Look at the exponent of the bell curve again.",
        ),
        Mistake(
            lambda z, mean, std: (_terms(z, mean, std) + ((z - mean) / std) ** 2).sum(-1),
            "a squared distance with the wrong sign",
            "Far away from μ the density must fall.",
        ),
        Mistake(
            lambda z, mean, std: _terms(z, mean, std).mean(-1),
            "a mean over the dimensions where a sum belongs",
            "Independent densities multiply. What do their logarithms do?",
        ),
        Mistake(
            lambda z, mean, std: (_terms(z, mean, std) + HALF_LOG_2PI).sum(-1),
            "a dropped constant, the one with 2π",
            "The ranking of garments stays the same, but the area under the density is not 1.",
        ),
        Mistake(
            lambda z, mean, std: (_terms(z, mean, std) + HALF_LOG_2PI).sum(-1) - HALF_LOG_2PI,
            "the constant with 2π counted once instead of once in each dimension",
            "Which terms stand inside the sum?",
        ),
        Mistake(
            lambda z, mean, std: (_terms(z, mean, std) - HALF_LOG_2PI).sum(-1),
            "log 2π without its ½",
            "The density has a square root over 2π.",
        ),
        Mistake(
            lambda z, mean, std: _terms(z, mean, std).sum(),
            "a sum over the garments as well",
            "Each garment has its own log density: sum over the last dimension alone.",
        ),
        Mistake(
            _terms,
            "one number for each dimension",
            "Each garment gets a single number. How do you combine its dimensions?",
        ),
        Mistake(
            lambda z, mean, std: _terms(z, mean, std).sum(-1).exp(),
            "the density instead of its logarithm",
            "The exercise asks for nats. Leave out the last step.",
        ),
        Mistake(
            lambda z, mean, std: -_terms(z, mean, std).sum(-1),
            "the negative of the log density",
            "That is a loss, which is small where z fits well. A log density is large there.",
        ),
    ),
)

# --- 1.2 ------------------------------------------------------------------------------------------


def draw_cases(generator: Generator) -> list[Case]:
    """Draw one case for mental arithmetic, and a batch."""
    mean, std = random_gaussians(generator, 6, 4)
    eps = normal(generator, 6, 4)
    example = (numbers([1.0, -2.0]), numbers([0.5, 3.0]), numbers([2.0, -1.0]))
    return [Case("the example", example), Case("a batch", (mean, std, eps))]


DRAW = Exercise(
    id="1.2",
    title="a draw that gradients pass through",
    ask=(
        "Turn noise into a draw from q(z|x). `mean`, `std` and `eps` have the shape [B, d], and "
        "so has z; `eps` was drawn from N(0, 1). "
        "**Before you run it:** for μ = −2, σ = 3 and ε = −1, what is z?"
    ),
    stub="def my_draw(mean, std, eps):\n    return ...",
    name="my_draw",
    oracle=lambda mean, std, eps: mean + std * eps,
    verified="z is μ moved by ε in units of σ, in every dimension of a batch.",
    parameters=("mean", "std", "eps"),
    cases=draw_cases,
    mistakes=(
        Mistake(
            lambda mean, std, eps: mean + std**2 * eps,
            "a draw scaled by the variance",
            "If ε has the standard deviation 1, what is the standard deviation of a · ε?",
        ),
        Mistake(
            lambda mean, std, eps: mean + std.sqrt() * eps,
            "a draw scaled by the root of σ",
            "`std` is already σ, so it needs no root.",
        ),
        Mistake(
            lambda mean, std, eps: mean + (0.5 * std).exp() * eps,
            "σ taken for a log variance",
            "Many encoders return log σ², but `std` here is σ itself.",
        ),
        Mistake(
            lambda mean, std, eps: mean + eps,
            "ε added without being scaled",
            "This gives all garments clouds of the same size.",
        ),
        Mistake(
            lambda mean, std, eps: std * eps,
            "a draw without its mean",
            "This puts every cloud around 0.",
        ),
        Mistake(
            lambda mean, std, eps: (mean + eps) * std,
            "a μ that is scaled along with ε",
            "Where should z be when ε is 0?",
        ),
        Mistake(
            lambda mean, std, eps: mean + std,
            "a draw without ε",
            "This gives the same z every time.",
        ),
        Mistake(
            lambda mean, std, eps: mean - std * eps,
            "a minus where a plus belongs",
            "The cloud as a whole is right, but this z belongs to −ε.",
        ),
        Mistake(
            lambda mean, std, eps: (eps - mean) / std,
            "the inverse, which computes ε from z",
            "Here ε is given, and the exercise asks for z.",
        ),
    ),
)

# --- 1.3 ------------------------------------------------------------------------------------------


def true_kl(mean: Tensor, std: Tensor) -> Tensor:
    """Return KL(q ‖ N(0, I)) by torch.distributions."""
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    return kl_divergence(Normal(mean, std), prior).sum(-1)


def kl_cases(generator: Generator, mean: float = 1.0, std: float = 0.5) -> list[Case]:
    """Draw one garment in one dimension, and two batches."""
    batches = [random_gaussians(generator, 4, d) for d in (3, 5)]
    return [
        Case("the example", (numbers([mean]), numbers([std]))),
        *(Case("a batch", batch) for batch in batches),
    ]


def kl_variant(generator: Generator) -> Exercise:
    """Draw the exercise with another example."""
    mean, std = pick(generator, -2.0, -1.5, 0.5, 1.5), pick(generator, 0.25, 0.75, 1.5)
    value = float(true_kl(numbers(mean), numbers(std)))
    example = f"(For μ = {shown(mean)} and σ = {shown(std)} it is {shown(value)} nats.)"
    return replace(KL, ask=KL_ASK + example, cases=lambda generator: kl_cases(generator, mean, std))


def _kl_terms(mean: Tensor, std: Tensor) -> Tensor:
    return 0.5 * (mean**2 + std**2 - 1 - 2 * std.log())


KL_ASK = (
    "Write KL(q(z|x) ‖ N(0, I)) in closed form, in nats. `mean` and `std` have the shape "
    "[B, d], the answer has [B]. "
)
KL = Exercise(
    id="1.3",
    title="the KL divergence to the prior",
    ask=KL_ASK + "(On paper, μ = 1 and σ = ½ gave 0.818 nats.)",
    vary=kl_variant,
    stub="def my_kl(mean, std):\n    return ...",
    name="my_kl",
    oracle=true_kl,
    verified="It agrees with torch.distributions for batches in 1, 3 and 5 dimensions.",
    parameters=("mean", "std"),
    cases=kl_cases,
    mistakes=(
        Mistake(
            lambda mean, std: 2 * _kl_terms(mean, std).sum(-1),
            "a missing ½",
            "Both log densities carry a ½ before their squares.",
        ),
        Mistake(
            lambda mean, std: (_kl_terms(mean, std) + 0.5 * std.log()).sum(-1),
            "log σ where log σ² belongs, inside the bracket",
            "With the ½ outside, which logarithm stands in the bracket?",
        ),
        Mistake(
            lambda mean, std: (_kl_terms(mean, std) - std.log()).sum(-1),
            "log σ² where log σ belongs, outside the bracket",
            "Multiply the ½ into the bracket. What does ½ log σ² become?",
        ),
        Mistake(
            lambda mean, std: (_kl_terms(mean, std) + 2 * std.log()).sum(-1),
            "log σ² with the wrong sign",
            "A narrow posterior says a lot about z, so a small σ must cost many nats.",
        ),
        Mistake(
            lambda mean, std: (_kl_terms(mean, std) + std.log()).sum(-1),
            "a dropped log σ²",
            "What would keep σ from shrinking to 0?",
        ),
        Mistake(
            lambda mean, std: 0.5 * (mean**2 + std - 1 - 2 * std.log()).sum(-1),
            "σ where σ² belongs",
            "For z = μ + σε, what is the average of z²?",
        ),
        Mistake(
            lambda mean, std: 0.5 * (mean + std**2 - 1 - 2 * std.log()).sum(-1),
            "μ where μ² belongs",
            "A mean of −1 is as far from the prior as one of +1.",
        ),
        Mistake(
            lambda mean, std: (_kl_terms(mean, std) + 0.5).sum(-1),
            "a dropped −1",
            "Where q is the prior, μ = 0 and σ = 1, the KL must be 0.",
        ),
        Mistake(
            lambda mean, std: (_kl_terms(mean, std) + 0.5).sum(-1) - 0.5,
            "the −1 counted once instead of once in each dimension",
            "Try q equal to the prior, in five dimensions. The KL must be 0. What is yours?",
        ),
        Mistake(
            lambda mean, std: _kl_terms(mean, std).mean(-1),
            "a mean over the dimensions where a sum belongs",
            "The log densities of the dimensions add up, and so do their KLs.",
        ),
        Mistake(
            lambda mean, std: -_kl_terms(mean, std).sum(-1),
            "the KL with its sign swapped",
            "A KL is never negative. Check the sign before the bracket and inside it.",
        ),
        Mistake(
            lambda mean, std: 0.5 * ((1 + mean**2) / std**2 - 1 + 2 * std.log()).sum(-1),
            "the KL the other way round, KL(prior ‖ q)",
            "In KL(q ‖ p) the average is over draws from the first of the two, q.",
        ),
        Mistake(
            lambda mean, std: _kl_terms(mean, std).sum(),
            "a sum over the images as well",
            "Each image has its own KL: sum over the last dimension alone.",
        ),
        Mistake(
            lambda mean, std: _kl_terms(mean, std).sum(-1).mean(),
            "a mean over the images",
            "A loss averages over images later. Here each image keeps its own KL.",
        ),
        Mistake(
            _kl_terms,
            "one number for each dimension",
            "Each image gets a single number. How do you combine its dimensions?",
        ),
    ),
)

# --- 1.4 ------------------------------------------------------------------------------------------

MEANS, STDS = numbers([0.0, 0.0], [3.0, 0.0]), numbers([0.5, 0.5], [2.0, 2.0])  # A and B
TIMES_NEARER = 2.5  # counts as right; 2.81 is the most that is possible


def disagreement(z: Tensor) -> Tensor:
    """Return whether the likelihood names B, and how many times nearer A is, for exercise 1.4."""
    log_a, log_b = true_log_density(z, MEANS, STDS)
    distance_a, distance_b = (z - MEANS).norm(dim=1)
    names_b = (log_b > log_a).double()
    return torch.stack([names_b, names_b * distance_b / distance_a / TIMES_NEARER])


def _is_right_of_a(z: np.ndarray) -> bool:
    return z[0] > -0.5 * abs(z[1])


DISAGREEMENT = Exercise(
    id="1.4",
    title="a z on which the two rules disagree",
    ask=(
        "Garment A has the mean (0, 0) and σ = (½, ½). Garment B has the mean (3, 0) and "
        "σ = (2, 2). Find a z that is much nearer to the mean of A, although the likelihood names "
        "B. Your score is the distance from z to the mean of B, divided by the distance to the "
        "mean of A. It should be at least 2.5."
    ),
    stub="my_z = ...  # two numbers",
    name="my_z",
    kind="tensor",
    shape=(2,),
    oracle=lambda: [1.0, 1.0],
    measure=disagreement,
    scored=True,
    verified="The likelihood names B, although A is more than 2.5 times nearer.",
    hints=(
        "Compute log q(z|A) and log q(z|B) for a few z on the line through both means.",
        "Very near A the likelihood names A, and far away it names B. The two tie on a closed "
        "curve around A. Your z should lie just outside this curve.",
        "Go around the curve. At which of its points is the mean of B farthest away?",
    ),
    mistakes=(
        Mistake(
            [0.5, 0.0],
            "a z for which the likelihood names A as well",
            "How far from A must z be, so that the bell of A is lower than the wide bell of B?",
            recognize=lambda z: bool(disagreement(torch.as_tensor(z))[0] == 0),
        ),
        Mistake(
            [2.5, 0.0],
            "a z on which both rules name B",
            "The mean of A has to be the nearer one. Stay close to (0, 0).",
            recognize=lambda z: bool(np.hypot(*z) >= np.hypot(z[0] - 3, z[1])),
        ),
        Mistake(
            [0.0, 1.5],
            "a good z on the wrong side of A",
            "On which side of A is the mean of B farther away?",
            recognize=lambda z: bool(_is_right_of_a(z)),
        ),
        Mistake(
            [-4.0, 0.0],
            "a z on the right side of A, but farther out than necessary",
            "The nearer z is to A, the better the score. When does the likelihood name A again?",
            recognize=lambda z: not _is_right_of_a(z),
        ),
    ),
)

EXERCISES = (LOG_DENSITY, DRAW, KL, DISAGREEMENT)
