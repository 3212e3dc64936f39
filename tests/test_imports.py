"""Who imports whom: the library knows nothing of the course, and importing it changes nothing."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("vae_lib", "vae_course")


def module_name(path: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for name in PACKAGES for path in (ROOT / name).rglob("*.py")}


def top_level(tree: ast.AST) -> list[ast.stmt]:
    """Return the imports that run with a module: not those in functions, nor those for types."""
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found += top_level(node)
    return found


def names(node: ast.stmt) -> set[str]:
    """Return the modules of ours that an import statement names."""
    if isinstance(node, ast.Import):
        found = {alias.name for alias in node.names}
    else:
        inside = {f"{node.module}.{alias.name}" for alias in node.names}
        modules = inside & set(MODULES)
        found = modules if len(modules) == len(inside) else modules | {str(node.module)}
    return {name for name in found if name in MODULES}


def arrows(everywhere: bool) -> dict[str, set[str]]:
    """Return the modules that each module imports: anywhere, or when it is imported itself."""
    drawing = {}
    for name, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = ast.walk(tree) if everywhere else top_level(tree)
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not any(getattr(node, "level", 0) for node in imports), f"{name}: relative import"
        drawing[name] = {target for node in imports for target in names(node)} - {name}
    return drawing


def test_no_module_imports_itself_through_others():
    drawing = arrows(everywhere=False)
    assert sum(map(len, drawing.values())) > 100
    tuple(graphlib.TopologicalSorter(drawing).static_order())  # raises a CycleError


def test_the_library_never_imports_the_course():
    found = {
        name: targets
        for name, targets in arrows(everywhere=True).items()
        if name.startswith("vae_lib") and any(each.startswith("vae_course") for each in targets)
    }
    assert found == {}


def test_a_circular_import_is_detected():
    with pytest.raises(graphlib.CycleError):
        tuple(graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


STATE = """
import os, sys, threading
import numpy, torch

def state():
    return {
        "dtype": str(torch.get_default_dtype()),
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "gradients": torch.is_grad_enabled(),
        "seed": torch.initial_seed(),
        "printing": repr(numpy.get_printoptions()),
        "errors": numpy.geterr(),
        "environment": dict(os.environ),
        "path": list(sys.path),
        "running": threading.active_count(),
    }
"""
HEAVY = ("matplotlib", "IPython", "ipywidgets", "numba", "vae_course")
IMPORTED = (
    STATE
    + """
torch.set_default_dtype(torch.float64)
before = state()
import vae_lib
after = state()
changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
assert changed == {}, changed
loaded = [name for name in sys.argv[1:] if name in sys.modules]
assert loaded == [], loaded
"""
)
PLOTTED = """
import matplotlib
before = dict(matplotlib.rcParams)
import vae_lib
vae_lib.Explorer
assert dict(matplotlib.rcParams) == before
"""


@pytest.mark.parametrize("code", [IMPORTED, PLOTTED], ids=["state", "rcParams"])
def test_importing_the_library_changes_nothing(code):
    command = [sys.executable, "-c", code, *HEAVY]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
