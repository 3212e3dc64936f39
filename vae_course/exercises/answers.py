"""Reading a learner's answer as numbers, and describing what cannot be read."""

import numpy as np
import torch


class NotNumbers(Exception):
    """A value that cannot be read as numbers; the message describes it."""


class Untouched(Exception):
    """The learner has not replaced the `...` yet."""


KINDS: dict[type, str] = {
    str: "text",
    type(None): "None",
    bool: "True or False",
    int: "a number",
    float: "a number",
    list: "a list",
    tuple: "a tuple",
    dict: "a dict",
    torch.Tensor: "a tensor",
    np.ndarray: "an array",
}


def kind_of(value: object) -> str:
    """Return the type of a value in everyday words."""
    return KINDS.get(type(value)) or f"a value of type {one_line(type(value).__name__, 40)}"


def one_line(text: str, length: int) -> str:
    """Return the first line with text in it, without control characters and shortened."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = "".join(letter if letter.isprintable() else " " for letter in lines[0]) if lines else ""
    return line if len(line) <= length else line[: length - 1] + "…"


def as_numbers(value: object) -> np.ndarray:
    """Return a tensor, an array, a number or nested lists of them as a float64 array."""
    if value is ...:
        raise Untouched
    if isinstance(value, torch.Tensor) and not value.is_complex():
        value = value.detach()
        return (value.to_dense() if value.is_sparse else value).cpu().double().numpy().copy()
    if isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.ndim:
        value = list(value)
    if isinstance(value, list | tuple | range):
        if any(entry is ... for entry in value):
            raise Untouched
        rows = [as_numbers(entry) for entry in value]
        if len({row.shape for row in rows}) > 1:
            raise NotNumbers("a list whose entries have different shapes")
        return np.array(rows, dtype=np.float64)
    if isinstance(value, torch.Tensor | complex | np.complexfloating):
        raise NotNumbers("complex numbers")
    if isinstance(value, bool | int | float | np.generic | np.ndarray):
        array = np.asarray(value)
        if array.dtype.kind in "biuf":
            return array.astype(np.float64)
        if isinstance(value, int):
            raise NotNumbers("a number too large for a computer's float")
        raise NotNumbers(f"an array of {array.dtype}")
    if isinstance(value, set | frozenset):
        raise NotNumbers("a set, which has no order,")
    raise NotNumbers(kind_of(value))
