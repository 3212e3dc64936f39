"""What a function says at the door to arguments of the wrong type or size."""

from typing import Any

import torch

LARGEST = 2**32 - 1  # what counts and seeds may be: more is a mistake, and not an order


def require_int(name: str, value: Any, least: int) -> None:
    """Raise a TypeError for what is not an int, a ValueError for one that is out of range."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected an int, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
    if value > LARGEST:
        raise ValueError(f"{name}: expected at most {LARGEST}, got a larger number")


def require(name: str, value: Any, kind: type | tuple[type, ...], expected: str) -> None:
    """Raise a TypeError for what is not of a type; `expected` says in words which one."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")


def is_plain(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor holds numbers as they are: it is not sparse, nor a shape alone."""
    return tensor.layout == torch.strided and tensor.device.type != "meta"


def is_float(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor holds floats of a kind that torch computes with: of 16 bits or more."""
    return is_plain(tensor) and tensor.dtype.is_floating_point and tensor.dtype.itemsize > 1
