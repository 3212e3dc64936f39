"""Messages between the grader and a submission's process, as lines of JSON.

Nothing that a submission sends is unpickled, evaluated or called.
"""

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

MAX_LINE = 4_000_000  # bytes


class NonsenseError(Exception):
    """A line that is not a message."""


def encoded(message: dict[str, Any]) -> bytes:
    """Return a message as a line."""
    return json.dumps(message).encode() + b"\n"


def decoded(line: bytes) -> dict[str, Any]:
    """Return the message in a line. Raises a NonsenseError if there is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NonsenseError from error
    if not isinstance(message, dict):
        raise NonsenseError
    return message


# --- arguments, from the grader -------------------------------------------------------------------


def packed(argument: Any) -> dict[str, Any]:
    """Return an exact description of an argument: a tensor, an array or a number."""
    if isinstance(argument, Tensor):
        kind = str(argument.dtype).removeprefix("torch.")
        return {"tensor": argument.tolist(), "dtype": kind}
    if isinstance(argument, np.ndarray):
        return {"array": argument.tolist(), "dtype": str(argument.dtype)}
    return {"number": argument}


def unpacked(description: dict[str, Any]) -> Any:
    """Return the argument with this description."""
    if "tensor" in description:
        return torch.tensor(description["tensor"], dtype=getattr(torch, description["dtype"]))
    if "array" in description:
        return np.array(description["array"], dtype=description["dtype"])
    return description["number"]


# --- answers, from the submission -----------------------------------------------------------------


def plain(value: Any) -> dict[str, Any]:
    """Return a description of an answer by numbers, texts and lists, or else by its type."""
    if value is ...:
        return {"untouched": True}
    if isinstance(value, Tensor) and not value.is_complex():
        value = value.detach()
        return {"value": (value.to_dense() if value.is_sparse else value).cpu().tolist()}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        return {"value": value.tolist()}
    if isinstance(value, list | tuple | range):
        return {"list": [plain(entry) for entry in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    return {"function" if callable(value) else "other": type(value).__name__}


def answer_in(description: dict[str, Any]) -> Any:
    """Return the answer with this description. A function becomes an object of another type."""
    if "untouched" in description:
        return ...
    if "list" in description:
        entries = description["list"]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise NonsenseError
        return [answer_in(entry) for entry in entries]
    if "value" in description:
        return description["value"]
    return type(str(description.get("other"))[:40], (), {})()


def error_in(description: Any) -> tuple[str, str]:
    """Return the name and the message of an error. Raises a NonsenseError for anything else."""
    if isinstance(description, list) and len(description) == 2:
        kind, words = description
        if isinstance(kind, str) and isinstance(words, str) and kind:
            return kind[:40], words[:400]
    raise NonsenseError
