"""The exercises of notebook 06: lifted vectors, recall, memory, and a search in blocks."""

import math
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from vae_course.exercises.answers import as_numbers
from vae_course.exercises.cases import normal, pick, random_gaussians, uniform
from vae_course.exercises.chapter_01 import true_log_density
from vae_course.exercises.exercise import Case, Exercise, Mistake

# --- 6.1 ------------------------------------------------------------------------------------------


def unlift_cases(generator: Generator) -> list[Case]:
    """One garment in one dimension, to check by hand, and five in three dimensions."""
    example = torch.tensor([[2.0]]).double(), torch.tensor([[0.5]]).double()
    return [
        Case("the example", (lift(*example),)),
        Case("five garments", (lift(*random_gaussians(generator, 5, 3)),)),
    ]


def lift(mean: Tensor, std: Tensor) -> Tensor:
    """Return the vectors [N, 2d + 1] whose products with [z², z, 1] are log q(z|x)."""
    constant = true_log_density(torch.zeros(mean.shape[1]), mean, std)  # at z = 0
    return torch.cat([-0.5 / std**2, mean / std**2, constant[:, None]], dim=1)


def _parts(lifted: Tensor) -> tuple[Tensor, Tensor]:
    """Return the numbers that meet z², and those that meet z."""
    d = lifted.shape[1] // 2
    return lifted[:, :d], lifted[:, d : 2 * d]


def _unlifted(
    mean: Callable[[Tensor, Tensor], Tensor] = lambda a, b: -b / (2 * a),
    std: Callable[[Tensor, Tensor], Tensor] = lambda a, b: (-0.5 / a).sqrt(),
) -> Callable[[Tensor], Tensor]:
    """Return a solution of 6.1, perhaps with a mistake in its mean or its standard deviation."""
    return lambda lifted: torch.cat([mean(*_parts(lifted)), std(*_parts(lifted))], dim=1)


UNLIFT = Exercise(
    id="6.1",
    title="the garment in a lifted vector",
    ask=(
        "An engine has kept only the lifted vectors of its garments, `lifted` [N, 2d + 1]: first "
        "the d numbers that meet z², then the d that meet z, and the constant. Recover μ and σ of "
        "each garment from them. The answer has the shape [N, 2d]: first the d means, then the d "
        "standard deviations."
    ),
    stub="def my_unlift(lifted):\n    return ...",
    name="my_unlift",
    oracle=_unlifted(),
    verified="Both μ and σ come back from the lifted vectors of six garments.",
    parameters=("lifted",),
    cases=unlift_cases,
    mistakes=(
        Mistake(
            _unlifted(std=lambda a, b: -0.5 / a),
            "the variance in place of σ",
            "One last step leads from the variance to the standard deviation.",
        ),
        Mistake(
            _unlifted(std=lambda a, b: (-1 / a).sqrt()),
            "a σ that is √2 times too large",
            "The number that meets z² has a ½ in it.",
        ),
        Mistake(
            _unlifted(lambda a, b: -b / a, lambda a, b: (-1 / a).sqrt()),
            "a missing ½, in μ and in σ",
            "The number that meets z² is not 1/σ², not even without its sign.",
        ),
        Mistake(
            _unlifted(std=lambda a, b: (0.5 / a).sqrt()),
            "the root of a negative number",
            "The number that meets z² is negative for every garment. What does that mean for σ²?",
        ),
        Mistake(
            _unlifted(lambda a, b: -b / a),
            "a mean that is twice too large",
            "What is σ², expressed by the number that meets z²?",
        ),
        Mistake(
            _unlifted(lambda a, b: b / (2 * a)),
            "a mean with the wrong sign",
            "The number that meets z² is negative. Does the number that meets z have μ's sign?",
        ),
        Mistake(
            _unlifted(lambda a, b: b),
            "the number that meets z, taken for μ",
            "That is μ/σ². By what do you have to multiply it?",
        ),
        Mistake(
            _unlifted(lambda a, b: b * (-0.5 / a).sqrt()),
            "a mean that was multiplied by σ where σ² belongs",
            "The number that meets z is μ divided by the variance.",
        ),
        Mistake(
            lambda lifted: _unlifted()(lifted).roll(lifted.shape[1] // 2, dims=1),
            "the standard deviations before the means",
            "Both are right. Return the means first.",
        ),
        Mistake(
            lambda lifted: _unlifted()(lifted)[:, : lifted.shape[1] // 2],
            "the means alone",
            "They are right. Return the standard deviations as well.",
        ),
    ),
)

# --- 6.2 ------------------------------------------------------------------------------------------


def true_margin(found: Tensor, exact: Tensor) -> float:
    """Return 1.96 standard errors of the mean recall, by NumPy."""
    rows = zip(found.tolist(), exact.tolist(), strict=True)
    recalls = [len(set(f) & set(e)) / len(e) for f, e in rows]
    return 1.96 * float(np.std(recalls, ddof=1)) / math.sqrt(len(recalls))


def margin_cases(generator: Generator) -> list[Case]:
    """Four queries to compute by hand, and forty at random, on some of which little is found."""
    found = torch.tensor([[4, 7], [2, 9], [8, 0], [5, 6]])
    exact = torch.tensor([[7, 4], [2, 6], [1, 4], [6, 5]])
    garments = torch.stack([torch.randperm(90, generator=generator) for _ in range(40)])
    right, others = garments[:, :5], garments[:, 5:10]
    hit = uniform(generator, 40, 1) < 1.2 * uniform(generator, 40, 5)
    mixed = torch.where(hit, right, others)
    order = uniform(generator, 40, 5).argsort(dim=1)
    cases = [Case("the example", (found, exact))]
    return [*cases, Case("forty queries", (mixed.gather(1, order), right))]


def _recalls(found: Tensor, exact: Tensor) -> Tensor:
    return (found[:, :, None] == exact[:, None, :]).any(dim=1).double().mean(dim=1)  # [Q]


def _margin(values: Tensor, **options: Any) -> Tensor:
    return 1.96 * values.std(**options) / math.sqrt(len(values))


MARGIN = Exercise(
    id="6.2",
    title="how sure is a measured recall?",
    ask=(
        "An engine returned `found` [Q, k], the indices of k garments for each of Q queries, in "
        "any order. `exact` [Q, k] holds the right ones. The recall of a query is the share of its "
        "right garments that were found. Return how far the mean recall may be off: 1.96 standard "
        "errors of the mean over the queries, with the sample standard deviation (n − 1). An "
        "example: with `found` [[4, 7], [2, 9], [8, 0], [5, 6]] and `exact` "
        "[[7, 4], [2, 6], [1, 4], [6, 5]] it is 0.469."
    ),
    stub="def my_margin(found, exact):\n    return ...",
    name="my_margin",
    oracle=true_margin,
    verified="It agrees with NumPy's standard deviation for 4 and for 40 queries.",
    parameters=("found", "exact"),
    cases=margin_cases,
    mistakes=(
        Mistake(
            lambda found, exact: _recalls(found, exact).mean(),
            "the mean recall itself",
            "How much would it change with other queries?",
        ),
        Mistake(
            lambda found, exact: 1.96 * _recalls(found, exact).std(),
            "a spread of the queries that is not divided by √Q",
            "The mean of many queries is more certain than the recall of one.",
        ),
        Mistake(
            lambda found, exact: _margin(_recalls(found, exact)) / 1.96,
            "one standard error",
            "An interval that holds the truth 95 % of the time reaches farther.",
        ),
        Mistake(
            lambda found, exact: 1.96 * _recalls(found, exact).std() / len(found),
            "a division by Q where √Q belongs",
            "Four times as many queries halve the standard error.",
        ),
        Mistake(
            lambda found, exact: _margin(_recalls(found, exact), correction=0),
            "a standard deviation with n where n − 1 belongs",
            "`torch` divides by n − 1 unless you change it, and `np.std` divides by n.",
        ),
        Mistake(
            lambda found, exact: _margin(
                (found[:, :, None] == exact[:, None, :]).any(dim=1).double().flatten()
            ),
            "an error that takes all Q · k garments for independent",
            "The garments of one query are found or missed together. What is independent here?",
        ),
        Mistake(
            lambda found, exact: _margin((found == exact).double().mean(dim=1)),
            "a comparison place by place",
            "A garment counts as found in whichever place it stands.",
        ),
        Mistake(
            lambda found, exact: _margin(_recalls(found, exact) * found.shape[1]),
            "the error of a number of garments",
            "The recall of a query is a share. Divide by k.",
        ),
        Mistake(
            lambda found, exact: _recalls(found, exact).var() * 1.96 / math.sqrt(len(found)),
            "a variance where a standard deviation belongs",
            "A standard error has the unit of what is measured, not its square.",
        ),
    ),
)

# --- 6.3 ------------------------------------------------------------------------------------------


def capacity_variant(generator: Generator) -> Exercise:
    """Draw another memory, and another number of dimensions."""
    gigabytes = int(pick(generator, 8, 24, 32, 64, 96))
    return capacity(gigabytes, int(pick(generator, 6, 8, 10, 12, 14, 18, 20, 24)))


def capacity(gigabytes: int = 16, d: int = 16) -> Exercise:
    """Return the exercise for a memory in GB, and d dimensions."""

    def millions(numbers: int, bytes_each: int = 4, more: int = 8) -> float:
        """Return how many million garments with so many numbers, and further bytes, fit."""
        return gigabytes * 1e9 / (numbers * bytes_each + more) / 1e6

    return Exercise(
        id="6.3",
        title=f"how many garments fit into {gigabytes} GB?",
        ask=(
            f"A machine can give {gigabytes} gigabytes (10⁹ bytes each) to an index. Each garment "
            f"takes its lifted vector in 32-bit floats, with d = {d}, and a 64-bit integer for its "
            "number in the data set. How many *million* garments fit? Give it to one decimal at "
            "least."
        ),
        stub="my_millions = ...",
        name="my_millions",
        kind="number",
        oracle=lambda: millions(2 * d + 1),
        relative_tolerance=1e-3,
        verified=f"Each garment takes {2 * d + 1} numbers of 4 bytes, and 8 bytes more.",
        vary=capacity_variant,
        mistakes=(
            Mistake(
                millions(2 * d + 1, more=0),
                "lifted vectors without the garments' numbers",
                "A search must also say which garment it has found.",
            ),
            Mistake(
                millions(2 * d + 1, 8),
                "64-bit floats",
                "A 32-bit float takes four bytes.",
            ),
            Mistake(
                millions(2 * d),
                "lifted vectors without their constant, or a garment's number of 4 bytes",
                "Count what meets z², what meets z, and the rest. A 64-bit integer takes 8 bytes.",
            ),
            Mistake(
                millions(d),
                "the means alone, as Euclidean distance needs them",
                "How many numbers meet z², how many meet z, and what else is there?",
            ),
            Mistake(
                millions(2 * d + 1, 32, 64),
                "a count of bits where bytes belong",
                "A byte has 8 bits.",
            ),
            Mistake(
                millions(2 * d + 1) * 2**30 / 1e9,
                "gibibytes, of 2³⁰ bytes",
                "A gigabyte has 10⁹ bytes here.",
            ),
            Mistake(
                millions(2 * d + 1) * 1e6,
                "a number of garments",
                "Divide by a million.",
            ),
            Mistake(
                millions(2 * d + 1) / 1e3,
                "a number of billions",
                "A billion is a thousand millions.",
            ),
        ),
    )


CAPACITY = capacity()

# --- 6.4 ------------------------------------------------------------------------------------------


def block_by_block(
    search: Callable[..., Any], z: Tensor, mean: Tensor, std: Tensor, size: int, k: int
) -> np.ndarray:
    """Return the garments that a search found, and how many blocks it kept beyond the last two."""
    alive: list[weakref.ref[Tensor]] = []
    most = 0

    def blocks() -> Iterator[tuple[Tensor, Tensor]]:
        nonlocal most
        for part in zip(mean.split(size), std.split(size), strict=True):
            block = part[0].clone(), part[1].clone()
            alive.append(weakref.ref(block[0]))
            most = max(most, sum(reference() is not None for reference in alive))
            yield block
            del block

    found = as_numbers(search(z, blocks(), k))
    return np.append(found, max(0, most - 2))


def block_cases(generator: Generator) -> list[Case]:
    """Fifty garments in blocks of eight, and thirty in blocks of seven."""
    cases = []
    for count, size in ((50, 8), (30, 7)):
        garments = random_gaussians(generator, count, 3)
        z = normal(generator, 3)
        cases.append(Case(f"blocks of {size}", (z, *garments, size, 5)))
    return cases


def search_by(
    score: Callable[[Tensor, Tensor, Tensor], Tensor] = true_log_density,
    each: int | None = None,
    offset: bool = True,
    keep: bool = False,
    merge: Callable[[list[float], list[int], int], list[int]] | None = None,
) -> Callable[..., list[int]]:
    """Return a search in blocks, perhaps with a mistake."""

    def search(z: Tensor, blocks: Iterator[tuple[Tensor, Tensor]], k: int) -> list[int]:
        scores: list[float] = []
        indices: list[int] = []
        start = 0
        for mean, std in list(blocks) if keep else blocks:
            best = score(z, mean, std).topk(min(each or k, len(mean)))
            scores += best.values.tolist()
            indices += [start * offset + int(i) for i in best.indices]
            start += len(mean)
        if merge is not None:
            return merge(scores, indices, k)
        order = sorted(range(len(scores)), key=lambda i: -scores[i])[:k]
        return [indices[i] for i in order]

    return search


BLOCKS = Exercise(
    id="6.4",
    title="a wardrobe larger than memory",
    ask=(
        "A wardrobe does not fit into memory, so its garments come in blocks. `blocks` is an "
        "iterator that you can go through once. It yields a pair of `mean` [n, d] and `std` "
        "[n, d], and the blocks may differ in size. Return the indices of the `k` garments with "
        "the largest log q(z|x) in the whole wardrobe, best first, counted from the first garment "
        "of the first block. Keep at most one block in memory, beside the one that comes next."
    ),
    stub="def my_search_in_blocks(z, blocks, k):\n    return ...",
    name="my_search_in_blocks",
    oracle=search_by(),
    use=block_by_block,
    verified="The exact top five of two wardrobes, and no block was kept longer than needed.",
    parameters=("z", "blocks", "k"),
    cases=block_cases,
    hints=(
        "The best k garments of the wardrobe are among the best k of each block.",
        "After each block, keep k scores with their indices, and nothing else of the block.",
        "An index within a block becomes an index in the wardrobe if you add how many garments "
        "came before the block.",
        "Put the kept scores and the new ones together with `torch.cat`, and take `topk` again.",
    ),
    mistakes=(
        Mistake(
            search_by(offset=False),
            "indices within each block",
            "How many garments came before the block?",
        ),
        Mistake(
            search_by(each=1),
            "the best garment of each block",
            "One block may hold several of the best garments.",
        ),
        Mistake(
            search_by(merge=lambda scores, indices, k: indices[-k:]),
            "the best garments of the last block",
            "What was kept from the blocks before?",
        ),
        Mistake(
            search_by(merge=lambda scores, indices, k: indices[:k]),
            "the best garments of the first block",
            "A later block may hold better garments.",
        ),
        Mistake(
            search_by(keep=True),
            "a search that keeps all blocks in memory",
            "Its answer is right. Go through the iterator without making a list of it.",
        ),
        Mistake(
            search_by(lambda z, mean, std: -(z - mean).norm(dim=1)),
            "Euclidean distance",
            "Where does σ stand in log q(z|x)?",
        ),
        Mistake(
            search_by(lambda z, mean, std: -((z - mean) / std).norm(dim=1)),
            "a dropped Σ log σ: this is the Mahalanobis distance",
            "What does a garment pay for being wide?",
        ),
        Mistake(
            search_by(
                merge=lambda scores, indices, k: (
                    [i for _, i in sorted(zip(scores, indices, strict=True))[-k:]]
                )
            ),
            "the right garments with the best one last",
            "`sorted` and `argsort` go from small to large.",
        ),
    ),
)

EXERCISES = (UNLIFT, MARGIN, CAPACITY, BLOCKS)
