"""Run small computations on one CPU thread."""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run a block on one CPU thread, then restore torch's number of threads.

    For small layers, two threads lose more time waiting for each other than they save.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
