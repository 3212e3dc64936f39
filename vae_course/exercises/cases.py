"""Helpers that draw the test cases and variants of exercises."""

import torch
from torch import Generator, Tensor

COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
COUNTS |= {9: "nine", 10: "ten", 11: "eleven", 12: "twelve"}


def numbers(*rows: object) -> Tensor:
    """Return numbers as a float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


def normal(generator: Generator, *shape: int) -> Tensor:
    """Draw float64 numbers from N(0, 1)."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def uniform(generator: Generator, *shape: int) -> Tensor:
    """Draw float64 numbers uniformly from [0, 1)."""
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def random_gaussians(generator: Generator, garments: int, d: int) -> tuple[Tensor, Tensor]:
    """Draw means and standard deviations, none of them near 1, float64 [N, d]."""
    return normal(generator, garments, d), 0.2 + 0.6 * uniform(generator, garments, d)


def pick(generator: Generator, *values: float) -> float:
    """Return one of the values at random."""
    return values[int(torch.randint(len(values), (), generator=generator))]


def shown(value: float) -> str:
    """Return a number as it is written in a sentence."""
    return f"{value:.4g}".replace("-", "−")
