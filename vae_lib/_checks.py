"""Argument validation for public functions."""

import numbers
import operator
from collections.abc import Collection
from typing import Any

import torch

LARGEST = 2**32 - 1  # a larger count or seed must be a mistake


def require_int(name: str, value: Any, least: int, most: int = LARGEST) -> int:
    """Return an integer of any kind (NumPy's, a 0-dimensional tensor) as an int.

    Args:
        name: the argument's name, for the error message.
        value: what the caller passed.
        least: the smallest value allowed.
        most: the largest value allowed; by default 2³² − 1.

    Raises:
        TypeError: value is not an integer.
        ValueError: value is out of range.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        whole = operator.index(value)
    except (TypeError, RuntimeError):
        raise TypeError(f"{name}: expected an int, got {type(value).__name__}") from None
    if not least <= whole <= most:
        one_sided = most == LARGEST and whole < least
        expected = f"at least {least}" if one_sided else f"{least} to {most}"
        got = whole if whole <= LARGEST else "a larger number"  # which may have too many digits
        raise ValueError(f"{name}: expected {expected}, got {got}")
    return whole


def require_number(name: str, value: Any, least: float = 0.0, most: float = LARGEST) -> float:
    """Return a real number of any kind as a float.

    Args:
        name: the argument's name, for the error message.
        value: what the caller passed.
        least: the smallest value allowed.
        most: the largest value allowed; by default 2³² − 1.

    Raises:
        TypeError: value is not a real number.
        ValueError: value is out of range or NaN.
    """
    require(name, value, numbers.Real, "a number")
    if not least <= float(value) <= most:  # false for NaN, too
        raise ValueError(f"{name}: expected a number from {least:g} to {most:g}, got {value!r}")
    return float(value)


def require(name: str, value: object, kind: type | tuple[type, ...], expected: str) -> None:
    """Raise a TypeError unless value is of the given type; `expected` describes that type."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")


def require_one_of(name: str, known: Collection[str], *values: object) -> None:
    """Raise a ValueError unless each value is one of the known names."""
    for value in values:
        if value not in tuple(known):  # a tuple, so that value need not be hashable
            expected = ", ".join(map(repr, known))
            raise ValueError(f"{name}: expected one of {expected}, got {value!r}")


def require_one_picture_each(index: Any, images: Any) -> None:
    """Raise a ValueError unless an index has one garment for each training image."""
    if len(index) != len(images.train_images):
        raise ValueError(
            f"index: expected one garment for each of the {len(images.train_images)} "
            f"training images, got {len(index)}"
        )


def is_plain(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is dense and has data: it is not sparse or on the meta device."""
    return tensor.layout == torch.strided and tensor.device.type != "meta"


def is_float(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is dense and holds floats of at least 16 bits."""
    return is_plain(tensor) and tensor.dtype.is_floating_point and tensor.dtype.itemsize > 1
