"""The exercises of notebook 04: ranking, when rules agree or disagree, and probabilities."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor

from vae_course.exercises.cases import normal, numbers, pick, random_gaussians, shown, uniform
from vae_course.exercises.chapter_01 import true_log_density
from vae_course.exercises.exercise import Case, Exercise, Mistake

FAR = "a z far from all garments"

# --- 4.1 ------------------------------------------------------------------------------------------


def true_top(z: Tensor, mean: Tensor, std: Tensor, k: int) -> list[int]:
    """Return the k garments with the highest log density, best first."""
    scores = true_log_density(z, mean, std).tolist()
    return sorted(range(len(scores)), key=lambda garment: -scores[garment])[:k]


def top_cases(generator: Generator) -> list[Case]:
    """Draw two garments to check by hand, twelve near z, and twelve where q underflows."""
    example = (numbers(1.0, 1.0), numbers([0.0, 0.0], [3.0, 1.0]), numbers([0.5, 0.5], [2.0, 1.0]))
    cases = [Case("the example", (*example, 2))]
    for name, away in (("a z among the garments", 0.0), (FAR, 40.0)):
        while True:
            mean, std = random_gaussians(generator, 12, 10)
            width = uniform(generator, 12, 1)
            std = std * (0.6 + 1.4 * width)
            z = away + 0.3 * normal(generator, 10)
            best = true_log_density(z, mean, std).sort(descending=True).values[:5]
            if (best[:-1] - best[1:]).min() > 0.1:  # so that rounding cannot change the order
                break
        cases.append(Case(name, (z, mean, std, 4)))
    return cases


def _log_terms(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return -0.5 * ((z - mean) / std) ** 2 - std.log()


TOP = Exercise(
    id="4.1",
    title="rank by likelihood",
    ask=(
        "Return the indices of the `k` garments under which `z` is most likely, best first. `z` "
        "has the shape [d], `mean` and `std` have [N, d]; the answer has [k]. It should also work "
        "for a z that is far from all garments."
    ),
    stub="def my_top(z, mean, std, k):\n    return ...",
    name="my_top",
    oracle=true_top,
    verified="The order is right near the garments, and so far away that q underflows to 0.",
    parameters=("z", "mean", "std", "k"),
    cases=top_cases,
    mistakes=(
        Mistake(
            lambda z, mean, std, k: _log_terms(z, mean, std).sum(1).argsort()[:k],
            "the garments with the smallest likelihood",
            "A distance is good when it is small. And a log density?",
        ),
        Mistake(
            lambda z, mean, std, k: _log_terms(z, mean, std).sum(1).argsort()[-k:],
            "the right garments in the wrong order, best last",
            "`argsort` goes from small to large.",
        ),
        Mistake(
            lambda z, mean, std, k: (z - mean).norm(dim=1).argsort()[:k],
            "Euclidean distance",
            "σ never enters. Where does it stand in log q(z|x)?",
        ),
        Mistake(
            lambda z, mean, std, k: ((z - mean) / std).norm(dim=1).argsort()[:k],
            "a dropped Σ log σ: this is the Mahalanobis distance",
            "What does a garment pay for being wide?",
        ),
        Mistake(
            lambda z, mean, std, k: (
                (_log_terms(z, mean, std) + 2 * std.log()).sum(1).argsort(descending=True)[:k]
            ),
            "Σ log σ with the wrong sign",
            "With this sign a garment gains by being wide.",
        ),
        Mistake(
            lambda z, mean, std, k: _log_terms(z, mean, std**2).sum(1).argsort(descending=True)[:k],
            "σ² where σ belongs",
            "`std` is σ, not the variance.",
        ),
        Mistake(
            lambda z, mean, std, k: _log_terms(z, mean, std).sum(1).sort(descending=True)[0][:k],
            "the scores of the garments",
            "Their indices are asked for.",
        ),
        Mistake(
            lambda z, mean, std, k: true_log_density(z, mean, std).sort(descending=True)[0][:k],
            "the scores of the garments",
            "Their indices are asked for.",
        ),
        Mistake(
            lambda z, mean, std, k: (
                true_log_density(z, mean, std).exp().numpy().argsort(kind="stable")[::-1][:k].copy()
            ),
            "plain likelihoods that underflowed: far from all garments every one of them is 0",
            "A product of small numbers soon underflows to 0, and then all garments tie. "
            "Add up logarithms instead.",
            only_on=FAR,
        ),
    ),
)

# --- 4.2 ------------------------------------------------------------------------------------------


def agreement(std: Tensor, z: Tensor, ratio: Tensor, turn: Tensor) -> Tensor:
    """Return whether both rules rank alike for most z, and whether all σ vectors differ.

    The Mahalanobis distances of all garments to each z [Q, d] are nearly equal: `ratio` [Q, N].
    Then any difference in Σ log σ changes the ranking. `turn` [Q, N, d] holds the directions from
    the means to z.
    """
    mean = z[:, None] - ratio[:, :, None] * turn * std  # [Q, N, d]
    scaled = (z[:, None] - mean) / std
    mahalanobis = scaled.square().sum(dim=2)  # [Q, N]
    log_density = -0.5 * mahalanobis - std.log().sum(dim=1)
    same = mahalanobis.argsort(dim=1) == log_density.argsort(dim=1, descending=True)
    share = same.all(dim=1).double().mean()
    gaps = (std[:, None] - std).abs().amax(dim=2) + torch.eye(len(std))  # [N, N]
    return torch.stack([(share > 0.8).double(), (gaps.min() > 1e-3).double()])


def agreement_cases(generator: Generator) -> list[Case]:
    """Draw 300 z, each with three garments at nearly the same Mahalanobis distance."""
    z = normal(generator, 300, 2)
    ratio = 0.9 + 0.2 * uniform(generator, 300, 3)
    turn = normal(generator, 300, 3, 2)
    return [Case("the example", (z, ratio, turn / turn.norm(dim=2, keepdim=True)))]


def _equal_rows(table: np.ndarray) -> bool:
    return bool(np.ptp(table, axis=0).max() < 1e-3)


def _two_rows_alike(table: np.ndarray) -> bool:
    return any(
        bool(np.abs(table[i] - table[j]).max() < 1e-3) for i in range(len(table)) for j in range(i)
    )


def _same_total(table: np.ndarray) -> bool:
    return bool(np.ptp(table.sum(axis=1)) < 1e-2)


def agree_variant(generator: Generator) -> Exercise:
    """Draw the exercise with a given σ of the first garment."""
    return agree((pick(generator, 0.8, 1.2, 1.6), pick(generator, 2.0, 3.0, 5.0)))


def agreement_with(first: tuple[float, float] | None) -> Callable[..., Tensor]:
    """Return a function that also measures whether the first garment has the given σ."""

    def measure(std: Tensor, z: Tensor, ratio: Tensor, turn: Tensor) -> Tensor:
        found = agreement(std, z, ratio, turn)
        as_given = first is None or bool((std[0] - numbers(*first)).abs().max() < 1e-3)
        return torch.cat([found, numbers(float(as_given))])

    return measure


def agree(first: tuple[float, float] | None = None) -> Exercise:
    """Return the exercise, perhaps with a given σ of the first garment."""
    a, b = first or (1.0, 4.0)
    half_sum, half_squares = (a + b) / 2, (a**2 + b**2) / 2
    given = f", and that of the first has to be ({shown(a)}, {shown(b)})" if first else ""
    other_sheet = Mistake(
        [[1.0, 7.0], [3.5, 2.0], [0.5, 14.0]],
        "the σ of another variant: the σ of the first garment is given",
        "Keep the idea, but start from the given row.",
        recognize=lambda table: bool(np.abs(table[0] - (a, b)).max() >= 1e-3),
    )
    return Exercise(
        id="4.2",
        title="when the rules agree",
        ask=(
            "Give three garments in two dimensions their σ, a tensor or list of shape [3, 2], so "
            "that likelihood and *Mahalanobis* distance rank the three alike for every z, wherever "
            "their means are. No two garments may have the same σ vector" + given + "."
        ),
        stub="my_std = ...  # three rows, one for each garment",
        name="my_std",
        kind="tensor",
        shape=(3, 2),
        oracle=lambda z, ratio, turn: [1.0, 1.0, 1.0],
        measure=agreement_with(first),
        vary=agree_variant,
        cases=agreement_cases,
        verified=(
            "For 300 random z both rules rank your three garments alike, and no two are alike."
        ),
        mistakes=(
            Mistake(
                [[a, b], [0.0, 2.0], [2.0, 0.5]],
                "a σ that is not positive",
                "A standard deviation is larger than 0.",
                recognize=lambda table: bool((table <= 0).any()),
            ),
            Mistake(
                [[a, b], [a, b], [a, b]],
                "one σ vector for all garments",
                "Then the rules do agree, but no two garments may have the same σ. Which term of "
                "log q(z|x) is not in the Mahalanobis distance?",
                recognize=_equal_rows,
            ),
            Mistake(
                [[a, b], [a, b], [b, a]],
                "two garments with the same σ vector",
                "Make all three different.",
                recognize=_two_rows_alike,
            ),
            Mistake(
                [[a, b], [half_sum, half_sum], [0.5 * half_sum, 1.5 * half_sum]],
                "an equal Σ σ for all garments",
                "Another sum has to be equal. Look at the second term of log q(z|x).",
                recognize=_same_total,
            ),
            Mistake(
                [
                    [a, b],
                    [half_squares**0.5, half_squares**0.5],
                    [(0.5 * half_squares) ** 0.5, (1.5 * half_squares) ** 0.5],
                ],
                "an equal Σ σ² for all garments",
                "Another sum has to be equal. Which function of σ is in log q(z|x)'s second term?",
                recognize=lambda table: _same_total(table**2),
            ),
            Mistake(
                [[0.5, 0.5], [1.0, 1.0], [2.0, 2.0]],
                "one σ for both dimensions of a garment",
                "That makes each garment round, but a narrow round one still beats a wide round "
                "one. What has to be equal between garments?",
                recognize=lambda table: bool(np.ptp(table, axis=1).max() < 1e-3),
            ),
            *([other_sheet] if first else []),
            Mistake(
                [[a, b], [2.0, 0.7], [0.5, 9.0]],
                "σ for which the two rules differ on random z",
                "Write the two rules one below the other. Which term stands in only one?",
                recognize=lambda table: True,
            ),
        ),
    )


AGREE = agree()

# --- 4.3 ------------------------------------------------------------------------------------------


def true_probabilities(log_likelihood: Tensor, best: Tensor) -> Tensor:
    """Return the posterior probability of each garment in `best`, under a uniform prior."""
    return log_likelihood.log_softmax(dim=0)[best].exp()


def probability_cases(generator: Generator) -> list[Case]:
    """Draw log likelihoods near the garments and far away, after ratios of 4 : 2 : 1 : 1."""
    four = numbers(4.0, 2.0, 1.0, 1.0).log()
    cases = [Case("the example", (four, torch.tensor([0, 1])))]
    for name, level in (("a z among the garments", 0.0), (FAR, -2000.0)):
        scores = 2 * normal(generator, 9) + level
        cases.append(Case(name, (scores, scores.topk(3).indices)))
    return cases


PROBABILITIES = Exercise(
    id="4.3",
    title="from scores to probabilities",
    ask=(
        "`log_likelihood` [N] holds log q(z|x) of *all* garments, `best` [k] the indices of those "
        "that a search returned. One of the N garments produced z, and all were equally likely "
        "beforehand. Return the probability [k] of each garment in `best`. It should also work for "
        "scores of −2000 nats."
    ),
    stub="def my_probabilities(log_likelihood, best):\n    return ...",
    name="my_probabilities",
    oracle=true_probabilities,
    verified="The probabilities are right near the garments, and where every q(z|x) underflows.",
    parameters=("log_likelihood", "best"),
    cases=probability_cases,
    mistakes=(
        Mistake(
            lambda log_likelihood, best: log_likelihood.exp()[best] / log_likelihood.exp().sum(),
            "an exp that underflowed: at −2000 nats it is 0, and so is the sum",
            "Only differences of scores matter. What could you subtract from all of them first?",
            only_on=FAR,
        ),
        Mistake(
            lambda log_likelihood, best: log_likelihood[best].softmax(dim=0),
            "a softmax over the k returned alone",
            "The other garments may have produced z as well. Include them in the sum.",
        ),
        Mistake(
            lambda log_likelihood, best: log_likelihood.softmax(dim=0),
            "the probabilities of all N garments",
            "They are right. Return those of the garments in `best`.",
        ),
        Mistake(
            lambda log_likelihood, best: log_likelihood.log_softmax(dim=0)[best],
            "log probabilities",
            "One last step is missing.",
        ),
        Mistake(
            lambda log_likelihood, best: log_likelihood[best].exp(),
            "densities that are not normalised",
            "Do they sum to 1 over all garments?",
        ),
        Mistake(
            lambda log_likelihood, best: log_likelihood[best] / log_likelihood.sum(),
            "shares of the log likelihoods",
            "Bayes' rule divides likelihoods, not their logarithms.",
        ),
        Mistake(
            lambda log_likelihood, best: (-log_likelihood).softmax(dim=0)[best],
            "a softmax with the wrong sign, as for distances",
            "The garment with the largest score should be the most probable.",
        ),
        Mistake(
            lambda log_likelihood, best: (log_likelihood - log_likelihood.max())[best].exp(),
            "probabilities relative to the best garment",
            "Subtracting the largest is a good start. What do you still have to divide by?",
        ),
    ),
)

# --- 4.4 ------------------------------------------------------------------------------------------

REACH = 3.0  # of each coordinate of z


def place_of_the_winner(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return the Euclidean rank, from 0, of the garment that the likelihood names, for z [Q, d]."""
    log_density = (_log_terms(z[:, None], mean, std)).sum(dim=2)  # [Q, N]
    distance = torch.cdist(z, mean)  # [Q, N]
    own = distance.gather(1, log_density.argmax(dim=1, keepdim=True))
    return (distance < own).sum(dim=1).double()


def how_far_apart(value: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return whether the value is a z, is within reach, splits the rules, and its score.

    The score that counts as right is the 95 % quantile over 200 random z.
    """
    if value.shape != mean.shape[1:]:
        return numbers(0.0, 0.0, 0.0, 0.0)
    if not bool((value.abs() <= REACH).all()):
        return numbers(1.0, 0.0, 0.0, 0.0)
    tried = REACH * (2 * uniform(Generator().manual_seed(0), 200, mean.shape[1]) - 1)
    asked = place_of_the_winner(tried, mean, std).quantile(0.95)
    place = float(place_of_the_winner(value[None], mean, std))
    return numbers(1.0, 1.0, float(place > 0), place / float(asked))


def wardrobe_cases(generator: Generator) -> list[Case]:
    """Three wardrobes of 200 garments in six dimensions, some of the garments much wider."""
    cases = []
    for _ in range(3):
        mean, std = random_gaussians(generator, 200, 6)
        cases.append(Case("a wardrobe", (mean, std * (0.5 + 2 * uniform(generator, 200, 1)))))
    return cases


FAR_APART = Exercise(
    id="4.4",
    title="a z on which the two rules disagree most",
    ask=(
        "`mean` and `std` [N, d] describe a wardrobe. Return a z [d], each coordinate between −3 "
        "and 3, for which the likelihood's first garment stands as far down the Euclidean ranking "
        "as possible. Your score is its place in that ranking. It is enough to do better than "
        "95 % of random z."
    ),
    stub="def my_split(mean, std):\n    return ...",
    name="my_split",
    oracle=lambda mean, std: [1.0, 1.0, 1.0, 1.0],
    measure=how_far_apart,
    scored=True,
    verified="On three random wardrobes your z does better than 95 % of random z.",
    parameters=("mean", "std"),
    cases=wardrobe_cases,
    hints=(
        "Begin with a function that gives the score of one z: rank the garments by both rules, "
        "and find the place of the likelihood's first garment in the Euclidean ranking.",
        "A simple search goes a long way: draw many random z, and keep the best one.",
        "For less searching, think: which garments does the likelihood name far away from "
        "everything, and does it matter to them on which side of the wardrobe z lies?",
        "Start from the best random z, move it a little at random, and keep each move that helps.",
    ),
    mistakes=(
        Mistake(
            lambda mean, std: 0,
            "something other than a z of d numbers",
            "Return the z itself, with one number for each column of `mean`.",
        ),
        Mistake(
            lambda mean, std: 10 * torch.ones_like(mean[0]),
            "a z that leaves the interval from −3 to 3",
            "Keep each coordinate of z within the interval, for example with `clamp(-3, 3)`.",
        ),
        Mistake(
            lambda mean, std: mean[std.log().sum(dim=1).argmin()].clamp(-3, 3),
            "a z for which both rules name the same garment",
            "Very near a narrow garment both rules agree. Go farther away from the garments.",
        ),
    ),
)

EXERCISES = (TOP, AGREE, PROBABILITIES, FAR_APART)
