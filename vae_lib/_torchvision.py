"""Make `import torchvision` work beside a CPU build of torch.

On Linux, torchvision's wheel holds a binary made for one particular build of torch. Beside another
build it cannot be loaded, and the import ends with "operator torchvision::nms does not exist",
although only the *declarations* of two operators are missing. This course uses neither of them, so
it declares them and goes on. An install whose binary loads is left as it is.
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
    """Declare torchvision's `nms` and `qnms` where its binary cannot do it."""
    global _declarations
    if sys.platform != "linux" or _declarations is not None or _binary_loads():
        return  # pragma: no cover - on other machines than those whose binary is broken
    _declarations = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        _declarations.define(schema)
