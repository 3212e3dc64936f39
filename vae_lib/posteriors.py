"""`Posteriors`: the diagonal Gaussians q(z|x) of all garments, given by μ(x) and σ(x)."""

import math
import operator
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import SupportsIndex

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vae_lib._checks import is_plain
from vae_lib._files import load_tensors, save_tensors
from vae_lib.threads import one_thread

KIND = "vae_lib posteriors"
LARGEST = 1e6  # of |z| and τ: squares of larger numbers lose the digits that tell garments apart
GARMENTS_AT_ONCE = 100_000  # whose σ are converted to float64 at a time
BLOCK = 2**20  # numbers in one block of an intermediate result: 8 MB in float64


def as_queries(z: object, latent_dim: int, device: torch.device | None = None) -> Tensor:
    """Return z as a float64 tensor [Q, d]; z: [d] or [Q, d], a tensor, an array or a list.

    The result is a copy, so the caller may change z afterwards.

    Raises:
        TypeError: z does not consist of real numbers.
        ValueError: z has another shape, or contains NaN, infinity or a number beyond ±1e6.
    """
    queries = as_numbers("z", z, "numbers of shape [d] or [Q, d]")
    queries = queries.to(device, torch.float64, copy=True)
    if queries.dim() not in (1, 2) or queries.shape[-1] != latent_dim:
        expected = f"shape [{latent_dim}] or [Q, {latent_dim}]"
        raise ValueError(f"z: expected {expected}, got {list(queries.shape)}")
    # the largest |z|, or NaN if z contains NaN
    largest = torch.linalg.vector_norm(queries, math.inf).item() if queries.numel() else 0.0
    if not math.isfinite(largest):
        raise ValueError("z: expected finite numbers, got NaN or infinity among them")
    if largest > LARGEST:
        raise ValueError(f"z: expected numbers within ±{LARGEST:.0e}, got {largest:.3g}")
    return queries.reshape(-1, latent_dim)


def as_numbers(name: str, values: object, expected: str) -> Tensor:
    """Return real numbers as a tensor without gradients, or raise a TypeError."""
    try:
        if isinstance(values, (list, tuple)) and any(isinstance(v, Tensor) for v in values):
            values = torch.stack([torch.as_tensor(value, device="cpu") for value in values])
        if not isinstance(values, Tensor):
            values = torch.from_numpy(np.asarray(values).astype(np.float64, casting="same_kind"))
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        got = f"{type(values).__name__} {values!r:.60}"
        raise TypeError(f"{name}: expected {expected}, got {got}") from error
    if values.is_complex() or not is_plain(values):
        raise TypeError(
            f"{name}: expected {expected}, got {values.dtype}, {values.layout}, {values.device}"
        )
    return values.detach()


def is_single(z: object) -> bool:
    """Tell whether z is one code [d] rather than several [Q, d]."""
    if isinstance(z, Tensor):
        return z.dim() == 1
    return as_numbers("z", z, "numbers of shape [d] or [Q, d]").dim() == 1


@dataclass(frozen=True, eq=False)
class Posteriors:
    """The diagonal Gaussians q(z|x) of N garments: `mean` and `std`, float32 [N, d].

    Raises:
        ValueError: the shapes differ, a number is not finite, or σ is not positive.
    """

    mean: Float[Tensor, "garment latent"]
    std: Float[Tensor, "garment latent"]

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            numbers = as_numbers(name, getattr(self, name), "numbers of shape [N, d]")
            object.__setattr__(self, name, numbers.to(torch.float32, copy=True))
        if self.mean.dim() != 2 or 0 in self.mean.shape:
            raise ValueError(f"mean: expected shape [N, d], got {list(self.mean.shape)}")
        if self.std.shape != self.mean.shape:
            expected, got = list(self.mean.shape), list(self.std.shape)
            raise ValueError(f"std: expected the shape of mean, {expected}, got {got}")
        if not self.mean.isfinite().all():
            raise ValueError("mean: expected finite numbers, got NaN or infinity among them")
        if not (self.std.isfinite() & (self.std > 0)).all():
            raise ValueError("std: expected finite numbers above 0, got others among them")

    def __len__(self) -> int:
        return len(self.mean)

    def __repr__(self) -> str:
        return f"Posteriors({len(self):,} garments, {self.latent_dim} latent dimensions)"

    def __getitem__(
        self, garments: SupportsIndex | slice | list | np.ndarray | Tensor
    ) -> "Posteriors":
        """Return the posteriors of some garments.

        Args:
            garments: a number, a slice, a mask [N] or indices [n]. A number selects one garment,
                with `mean` and `std` of shape [1, d]. Iterating yields each garment in this form.

        Raises:
            IndexError: garments is anything else, or names a garment that does not exist.
        """
        try:
            if not isinstance(garments, (slice, list, np.ndarray, Tensor)):
                garments = [operator.index(garments)]
            elif isinstance(garments, Tensor) and garments.dim() == 0:
                garments = garments[None]
            return Posteriors(self.mean[garments], self.std[garments])
        except (IndexError, TypeError, RuntimeError) as error:
            expected = f"a number, a slice, a mask or indices of {len(self)} garments"
            raise IndexError(f"garments: expected {expected}: {error}") from error

    @property
    def latent_dim(self) -> int:
        """The number of latent dimensions, d."""
        return self.mean.shape[1]

    @cached_property
    def log_normalizer(self) -> Float[Tensor, " garment"]:
        """Σ log σ + (d/2) log 2π of each garment, in float64: minus the log density at its mean."""
        return torch.cat([log_normalizer_of(part) for part in self.std.split(GARMENTS_AT_ONCE)])

    def log_prob(self, z: object) -> Float[Tensor, "query garment"]:
        """Return log q(z|x) of every z under every garment's posterior, in nats, float64 [Q, N].

        Σⱼ [ −(zⱼ − μⱼ)² / (2σⱼ²) − log σⱼ − ½ log 2π ]. z: [d] or [Q, d]; errors as `as_queries`.
        """
        return -0.5 * self.mahalanobis2(z) - self.log_normalizer

    def mahalanobis2(self, z: object) -> Float[Tensor, "query garment"]:
        """Return ‖(z − μ)/σ‖², the squared distance of z in units of each garment's own σ."""
        return squared_distances(z, self.mean, self.std)

    def mutual_log_prob(self, z: object, tau: object) -> Float[Tensor, "query garment"]:
        """Return log N(z; μ, σ² + τ²) of every z under every garment, in nats, float64 [Q, N].

        This is the log density of z = u + τ ⊙ ε, with u drawn from q(z|x) and ε from N(0, I). Use
        it if z itself is uncertain, with standard deviation τ. At τ = 0 it equals `log_prob`. If
        z and τ are μ and σ of another garment x', it is log ∫ q(u|x) q(u|x') du, the mutual
        likelihood score of Shi and Jain, Probabilistic Face Embeddings (2019).

        z: [d] or [Q, d]; tau: a number, [d] or [Q, d]. Errors as `as_queries`, for both, and a
        ValueError if tau has another shape or a number below 0.
        """
        queries = as_queries(z, self.latent_dim, self.mean.device)
        variance = _as_widths(tau, queries).square_()
        mean, own_variance = self.mean.double(), self.std.double().square()
        constant = self.latent_dim * math.log(2 * math.pi)
        out = queries.new_empty(len(queries), len(self))
        rows = max(1, BLOCK // mean.numel())  # a [Q, N, d] intermediate in blocks of queries
        with one_thread():
            for start in range(0, len(queries), rows):
                block = slice(start, start + rows)
                both = variance[block, None, :] + own_variance  # [rows, N, d]
                squared = (queries[block, None, :] - mean).square_().div_(both)
                out[block] = squared.add_(both.log_()).sum(dim=-1).add_(constant).mul_(-0.5)
        return out

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "garment latent"]:
        """Return one draw z = μ + σ ⊙ ε from every garment's posterior, [N, d]."""
        eps = torch.randn(self.mean.shape, generator=generator, device="cpu")
        return self.mean + self.std * eps.to(self.mean.device)

    def save(self, path: str | os.PathLike) -> Path:
        """Save as safetensors; if writing fails, `path` keeps its old content."""
        return save_tensors(path, KIND, {"mean": self.mean, "std": self.std}, {})

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Posteriors":
        """Load a file that `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds something else.
        """
        tensors, _ = load_tensors(path, KIND)
        try:
            return posteriors_from(tensors)
        except ValueError as error:
            raise ValueError(f"path: {path} does not hold posteriors: {error}") from error


def posteriors_from(tensors: dict[str, Tensor]) -> Posteriors:
    """Return the posteriors that a file holds, or raise a ValueError."""
    found = {name: tensor.dtype for name, tensor in tensors.items()}
    if found != {"mean": torch.float32, "std": torch.float32}:
        raise ValueError(f"expected mean and std in float32, got {found or 'nothing'}")
    return Posteriors(**tensors)


def log_normalizer_of(std: Float[Tensor, "*garment latent"]) -> Float[Tensor, "*garment"]:
    """Return Σ log σ + (d/2) log 2π, in float64."""
    constant = 0.5 * std.shape[-1] * math.log(2 * math.pi)
    return std.double().log().sum(dim=-1).add_(constant)


def _as_widths(tau: object, queries: Float[Tensor, "query latent"]) -> Tensor:
    """Return a copy of tau in float64, in the shape of the queries."""
    d = queries.shape[1]
    expected = f"at least 0, a number or of shape [{d}] or [Q, {d}]"
    widths = as_numbers("tau", tau, expected).to(queries)
    if widths.shape not in ((), (d,), queries.shape):
        raise ValueError(f"tau: expected {expected}, got shape {list(widths.shape)}")
    if not ((widths >= 0) & (widths <= LARGEST)).all():  # false for NaN, too
        raise ValueError(f"tau: expected numbers from 0 to {LARGEST:.0e}, got others among them")
    return widths.expand_as(queries).clone()


def squared_distances(
    z: object, mean: Float[Tensor, "garment latent"], scale: Tensor
) -> Float[Tensor, "query garment"]:
    """Return ‖(z − μ)/scale‖² for every z and garment, in float64, from the differences z − μ.

    Expanding the square into ‖z‖² − 2 z·μ + ‖μ‖² would be faster, but would lose digits.

    Args:
        z: [d] or [Q, d].
        mean: the means of the garments.
        scale: [N, d], or [d] or a single number, the same for all garments.
    """
    queries = as_queries(z, mean.shape[1], mean.device)
    mean, inverse_scale = mean.double(), 1 / scale.double()
    out = queries.new_empty(len(queries), len(mean))
    rows = max(1, BLOCK // len(mean))
    with one_thread():
        for block, target in zip(queries.split(rows), out.split(rows), strict=True):
            target.copy_(sum_of_squares(block[:, None], mean, inverse_scale))
    return out


def sum_of_squares(
    z: Float[Tensor, "*z latent"], mean: Float[Tensor, "*mean latent"], inverse_scale: Tensor
) -> Float[Tensor, "*both"]:
    """Return Σⱼ ((zⱼ − μⱼ) · inverse_scaleⱼ)², added up in the order of the dimensions.

    The compiled kernel adds in the same order, so that both round in the same way.
    """
    total = torch.zeros((), dtype=z.dtype, device=z.device)
    for j in range(z.shape[-1]):
        difference = (z[..., j] - mean[..., j]).mul_(inverse_scale.expand_as(mean)[..., j])
        total = total + difference.square_()
    return total
