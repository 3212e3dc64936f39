"""Make `import torchvision` work with a CPU build of torch.

On Linux, torchvision's wheel contains a binary for one particular build of torch. With another
build the binary cannot be loaded, and the import fails with "operator torchvision::nms does not
exist", although only the declarations of two operators are missing. This library uses neither
operator, so it declares both. Where the binary loads, nothing is changed.
"""

import importlib.util
import sys
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declarations: torch.library.Library | None = None  # torch forgets a schema with its library


def _binary_loads() -> bool:
    specification = importlib.util.find_spec("torchvision")
    if specification is None or specification.origin is None:
        return True  # pragma: no cover - not installed: the import itself says so best
    try:
        for binary in Path(specification.origin).parent.glob("_C*.so"):
            torch.ops.load_library(binary)
    except OSError:
        return False
    return True  # pragma: no cover - on other machines than those whose binary is broken


def declare_missing_operators() -> None:
    """Declare torchvision's `nms` and `qnms` if its binary cannot be loaded."""
    global _declarations
    if sys.platform != "linux" or _declarations is not None or _binary_loads():
        return  # pragma: no cover - on other machines than those whose binary is broken
    _declarations = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        _declarations.define(schema)
