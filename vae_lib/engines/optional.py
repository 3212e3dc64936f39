"""Import the packages that only some engines need."""

import importlib
from typing import Any


def import_optional(module: str, requirement: str) -> Any:
    """Import a module, or raise a ModuleNotFoundError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        advice = f"run `pip install {requirement}`"
        raise ModuleNotFoundError(f"{module} is not installed: {advice}") from error
