"""The exercises of notebook 06: the lifted inner product, recall, and what a billion takes."""

import math

import torch
from torch import Generator, Tensor

from vae_course.exercises.chapter_01 import pick, random_gaussians
from vae_course.exercises.checking import Case, Exercise, Mistake

# --- 6.1 ------------------------------------------------------------------------------------------


def true_lift(mean: Tensor, std: Tensor) -> Tensor:
    """Return the vectors [N, 2d + 1] whose products with [z², z, 1] are log q(z|x)."""
    constant = -(0.5 * (mean / std) ** 2 + std.log()).sum(dim=1)
    constant -= 0.5 * mean.shape[1] * math.log(2 * math.pi)
    return torch.cat([-0.5 / std**2, mean / std**2, constant[:, None]], dim=1)


def lift_cases(generator: Generator) -> list[Case]:
    """One garment in one dimension, to check by hand, and five in three dimensions."""
    mean, std = torch.tensor([[2.0]]).double(), torch.tensor([[0.5]]).double()
    cases = [Case("the example", (mean, std))]
    return [*cases, Case("five garments", random_gaussians(generator, 5, 3))]


def _lift(square: Tensor, linear: Tensor, constant: Tensor) -> Tensor:
    return torch.cat([square, linear, constant[:, None]], dim=1)


def _constant(mean: Tensor, std: Tensor) -> Tensor:
    return true_lift(mean, std)[:, -1]


LIFT = Exercise(
    id="6.1",
    title="the likelihood as an inner product",
    ask=(
        "Return for each garment the 2d + 1 numbers whose inner product with [z², z, 1] is "
        "log q(z|x): first the d that meet z², then the d that meet z, then the constant, 2π and "
        "all. `mean` and `std` have the shape [N, d]; the answer has [N, 2d + 1]."
    ),
    stub="def my_lift(mean, std):\n    return ...",
    name="my_lift",
    oracle=true_lift,
    verified="Every inner product with [z², z, 1] is log q(z|x).",
    parameters=("mean", "std"),
    cases=lift_cases,
    mistakes=(
        Mistake(
            lambda m, s: _lift(0.5 / s**2, m / s**2, _constant(m, s)),
            "a plus sign before z²/(2σ²)",
            "Far from the garment its log density should fall, not rise.",
        ),
        Mistake(
            lambda m, s: _lift(m / s**2, -0.5 / s**2, _constant(m, s)),
            "the two halves in the other order",
            "The query is [z², z, 1]. Which of your numbers meets z², and which z?",
        ),
        Mistake(
            lambda m, s: _lift(-1 / s**2, 2 * m / s**2, _constant(m, s)),
            "a missing ½ before (z − μ)²/σ²",
            "Both z² and z come out of the same square, and there is a ½ before it.",
        ),
        Mistake(
            lambda m, s: _lift(-1 / s**2, m / s**2, _constant(m, s)),
            "a missing ½ before z²/σ²",
            "Multiply out ½ (z − μ)²/σ²: which of the three terms keeps its ½?",
        ),
        Mistake(
            lambda m, s: _lift(-0.5 / s**2, 2 * m / s**2, _constant(m, s)),
            "2μ/σ² where μ/σ² belongs",
            "The middle term of the square is 2zμ, and there is a ½ before it.",
        ),
        Mistake(
            lambda m, s: _lift(-0.5 / s**2, -m / s**2, _constant(m, s)),
            "a minus sign before zμ/σ²",
            "The middle term of (z − μ)² is −2zμ, and there is a minus before the square.",
        ),
        Mistake(
            lambda m, s: _lift(
                -0.5 / s**2, m / s**2, _constant(m, s) + 0.5 * (m / s).square().sum(1)
            ),
            "a dropped ½ Σ μ²/σ²",
            "The last term of (z − μ)² has no z in it. Where does it go?",
        ),
        Mistake(
            lambda m, s: _lift(-0.5 / s**2, m / s**2, _constant(m, s) + s.log().sum(1)),
            "a dropped Σ log σ",
            "What does a garment pay for being vague?",
        ),
        Mistake(
            lambda m, s: _lift(
                -0.5 / s**2, m / s**2, _constant(m, s) + 0.5 * m.shape[1] * math.log(2 * math.pi)
            ),
            "a dropped (d/2) log 2π",
            "It changes no ranking. But then the product is not log q(z|x) itself.",
        ),
        Mistake(
            lambda m, s: _lift(
                -0.5 / s**2,
                m / s**2,
                _constant(m, s) + 0.5 * (m.shape[1] - 1) * math.log(2 * math.pi),
            ),
            "½ log 2π for all dimensions together",
            "Every dimension has its own √(2π).",
            only_on="five garments",
        ),
        Mistake(
            lambda m, s: true_lift(m, s**2),
            "σ² where σ belongs",
            "`std` is σ, not the variance.",
        ),
        Mistake(
            lambda m, s: true_lift(m, s**0.5),
            "σ where σ² belongs",
            "A squared distance is divided by a squared σ.",
        ),
    ),
)

# --- 6.2 ------------------------------------------------------------------------------------------


def true_recall(found: Tensor, exact: Tensor) -> float:
    """Return the mean share of each row of `exact` that is in the same row of `found`."""
    rows = zip(found.tolist(), exact.tolist(), strict=True)
    return sum(len(set(f) & set(e)) for f, e in rows) / exact.numel()


def recall_cases(generator: Generator) -> list[Case]:
    """Three queries to count by hand, and forty at random, each with some of the exact garments."""
    found = torch.tensor([[4, 7, 1], [2, 9, 5], [8, 0, 3]])
    exact = torch.tensor([[7, 4, 1], [2, 6, 0], [1, 4, 7]])
    cases = [Case("the example", (found, exact))]
    garments = torch.stack([torch.randperm(90, generator=generator) for _ in range(40)])
    exact, others = garments[:, :5], garments[:, 5:10]
    hit = torch.rand(40, 1, generator=generator) < torch.rand(40, 5, generator=generator) * 1.2
    mixed = torch.where(hit, exact, others)
    order = torch.rand(40, 5, generator=generator).argsort(dim=1)
    return [*cases, Case("forty queries", (mixed.gather(1, order), exact))]


def _per_query(found: Tensor, exact: Tensor) -> Tensor:
    return (found[:, :, None] == exact[:, None, :]).any(dim=1).double()  # [Q, k]


RECALL = Exercise(
    id="6.2",
    title="recall@k",
    ask=(
        "An engine returned `found` [Q, k]: for each of Q queries the indices of k garments. "
        "`exact` [Q, k] holds the right ones. Return recall@k, the mean share of the right "
        "garments that were found. In which order they stand does not matter."
    ),
    stub="def my_recall(found, exact):\n    return ...",
    name="my_recall",
    oracle=true_recall,
    verified="The share is right for three queries by hand and for forty at random.",
    parameters=("found", "exact"),
    cases=recall_cases,
    mistakes=(
        Mistake(
            lambda found, exact: (found == exact).double().mean(),
            "a comparison place by place",
            "A garment that was found in another place was found all the same.",
        ),
        Mistake(
            lambda found, exact: _per_query(found, exact).sum(dim=1).mean(),
            "a number of garments",
            "A share is asked for. Of how many right ones?",
        ),
        Mistake(
            lambda found, exact: _per_query(found, exact).sum(),
            "a count over all queries",
            "How many could there have been at the most?",
        ),
        Mistake(
            lambda found, exact: _per_query(found, exact).mean(dim=1),
            "a recall for each query",
            "They are right. Return their mean.",
        ),
        Mistake(
            lambda found, exact: _per_query(found, exact)[:, 0].mean(),
            "how often the very best garment was found",
            "All k right garments count, not only the first.",
        ),
        Mistake(
            lambda found, exact: _per_query(found, exact).amax(dim=1).mean(),
            "how often anything right was found",
            "One of k right ones is a share of 1/k.",
        ),
        Mistake(
            lambda found, exact: _per_query(found, exact).amin(dim=1).mean(),
            "how often everything right was found",
            "Nine of ten right ones are a share of 0.9, not of 0.",
        ),
        Mistake(
            lambda found, exact: torch.isin(exact, found).double().mean(),
            "a search through the answers to all queries",
            "What was found for another query does not help this one.",
        ),
        Mistake(
            lambda found, exact: 1 - _per_query(found, exact).mean(),
            "the share that was missed",
            "Recall is what was found.",
        ),
    ),
)

# --- 6.3 ------------------------------------------------------------------------------------------

COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}


def memory_variant(generator: Generator) -> Exercise:
    """Draw another number of garments, and of dimensions."""
    return memory(int(pick(generator, *COUNTS)), int(pick(generator, 6, 8, 12, 14, 16, 18, 20, 24)))


def memory(billions: int = 1, d: int = 10) -> Exercise:
    """Return the exercise for so many garments in d dimensions."""
    garments = billions * 1_000_000_000
    said = "a billion" if billions == 1 else f"{COUNTS[billions]} billion"
    counted = "10⁹" if billions == 1 else f"{billions} · 10⁹"

    def gigabytes(numbers: int, bytes_each: int = 4) -> float:
        """Return how many GB, 10⁹ bytes, so many numbers for each of the garments take."""
        return garments * numbers * bytes_each / 1e9

    return Exercise(
        id="6.3",
        title=f"{said} garments",
        ask=(
            f"How many gigabytes (10⁹ bytes) do the lifted vectors of {said} garments take, in "
            f"32-bit floats, with d = {d}? Give a number."
        ),
        stub="my_gigabytes = ...",
        name="my_gigabytes",
        kind="number",
        oracle=lambda: gigabytes(2 * d + 1),
        verified=f"{counted} garments · {2 * d + 1} numbers · 4 bytes.",
        vary=memory_variant,
        mistakes=(
            Mistake(
                gigabytes(2 * d + 1, 8),
                "64-bit floats",
                "A 32-bit float has four bytes.",
            ),
            Mistake(
                gigabytes(2 * d),
                "μ and σ, and no constant",
                "The lifted vector has one more number.",
            ),
            Mistake(
                gigabytes(d),
                "the means alone, as Euclidean distance needs them",
                "What meets z², what meets z, and the constant: how many numbers are that?",
            ),
            Mistake(
                gigabytes(2 * d + 1, 1),
                "one byte for each number",
                "A byte has 8 bits. How many bytes are 32 bits?",
            ),
            Mistake(
                garments * (2 * d + 1) * 4 / 2**30,
                "gibibytes, of 2³⁰ bytes",
                "A gigabyte is 10⁹ bytes here.",
            ),
            Mistake(
                gigabytes(2 * d + 1) * 1e9,
                "bytes",
                "Divide by 10⁹.",
            ),
            Mistake(
                gigabytes(2 * d + 1, 32),
                "32 bytes for each number",
                "32 bits, not bytes.",
            ),
        ),
    )


MEMORY = memory()

EXERCISES = (LIFT, RECALL, MEMORY)
