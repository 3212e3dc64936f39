"""Training on several processes: each computes its share of every batch.

`fit` calls these functions. They share the work if `torch.distributed` is initialised, as in a
script that `torchrun` starts. In a single process, the same calls work without communication.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vae_lib.objective import ElboTerms, elbo


def processes() -> tuple[int, int]:
    """Return the number of this process, from 0, and how many processes train together."""
    together = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if together else (0, 1)


def gathered(value: Any) -> list[Any]:
    """Return the value of every process, in the order of their numbers."""
    _, count = processes()
    if count == 1:
        return [value]
    values = [None] * count
    dist.all_gather_object(values, value)
    return values


def require_same(settings: dict[str, Any]) -> None:
    """Check that all processes have the same settings.

    Raises:
        ValueError: one of the settings differs; the message names it.
    """
    everywhere = gathered(settings)
    for name in settings:
        values = [each[name] for each in everywhere]
        if values != values[:1] * len(values):
            raise ValueError(f"{name}: expected the same in all processes, got {values}")


def in_first_process(function: Callable, *arguments: Any) -> None:
    """Call a function in process 0 alone; the others wait until it has returned."""
    if processes()[0] == 0:
        function(*arguments)
    gathered(None)


class _ShareOfElbo(nn.Module):
    """The ELBO of this process's share of a batch: every n-th image, for n processes."""

    def __init__(self, vae: Any):
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor, generator: torch.Generator) -> ElboTerms:
        number, count = processes()
        # noise for the whole batch, so that each image's ε is the same for any number of processes
        eps = torch.randn(len(x), self.vae.latent_dim, generator=generator, device="cpu")
        return elbo(self.vae, x[number::count], eps=eps[number::count])


def elbo_of_share(vae: Any) -> Callable[..., ElboTerms]:
    """Return a function that computes the ELBO of this process's share of a batch.

    DistributedDataParallel copies the first process's weights to the others, and averages the
    gradients of all processes.
    """
    if processes()[1] == 1:
        return partial(elbo, vae)
    return DistributedDataParallel(_ShareOfElbo(vae))


def mean_over_batch(share: Tensor, batch: int) -> Tensor:
    """Average over the images of the whole batch, given the values for this process's share.

    Args:
        share: the values for each image of the share, [share, ...].
        batch: the number of images in the whole batch.
    """
    _, count = processes()
    if count == 1:
        return share.mean(dim=0)
    mine = share.sum(dim=0) * (count / batch)  # DistributedDataParallel divides by the count
    mean = mine.detach() / count
    dist.all_reduce(mean)
    return mine + (mean - mine.detach())  # the batch's value, with the gradient of the share
