"""Badges that open a notebook in Colab or Binder, and the cell that installs the course in Colab.

`[project.urls]` in pyproject.toml names the repository. Binder installs what `binder/` lists.
"""

import tomllib

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from vae_course import ROOT

BRANCH = "main"
BADGE = "[![Open in "  # what the line of badges begins with
INSTALL = "install-in-colab"  # the id of the cell
TORCH = "https://download.pytorch.org/whl/cpu"  # torch without CUDA


def repository() -> str:
    """Return the public address of the course, on GitHub."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


def badge_line(name: str) -> str:
    """Return the badges of the notebook with a file name, as one line of Markdown."""
    project = repository().removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{project}/blob/{BRANCH}/notebooks/{name}"
    binder = f"https://mybinder.org/v2/gh/{project}/{BRANCH}?urlpath=lab/tree/notebooks/{name}"
    return " ".join(
        f"{BADGE}{service}](../docs/open_in_{service.lower()}.svg)]({address})"
        for service, address in {"Colab": colab, "Binder": binder}.items()
    )


def install_code() -> str:
    """Return the cell that installs the course in Colab and does nothing anywhere else."""
    return f"""\
# In Colab, this cell installs the course. Anywhere else it does nothing.
import sys
from importlib.util import find_spec

if "google.colab" in sys.modules and find_spec("vae_lib") is None:
    course = "vae_lib[scale] @ git+{repository()}@{BRANCH}"
    %pip install --quiet --extra-index-url {TORCH} "{{course}}"
    # if Colab asks you to restart the session now, do so, and go on with the next cell"""


def without_badges(source: str) -> str:
    """Return the Markdown of a cell without its badges."""
    lines = [line for line in source.splitlines() if not line.startswith(BADGE)]
    return "\n".join(lines).rstrip()


def write_badges(notebook: NotebookNode, name: str) -> None:
    """Write the badges and the install cell into a notebook of the course.

    The badges are the last line of the first cell, and the install cell follows it. A notebook
    without a title "# NN ...", where NN begins its file name, is left as it is.

    Args:
        notebook: changed in place.
        name: the file name of the notebook.
    """
    first = notebook.cells[0]
    if not first.source.startswith(f"# {name[:2]} "):
        return
    first.source = without_badges(first.source) + "\n\n" + badge_line(name)
    if INSTALL not in [cell.get("id") for cell in notebook.cells[1:2]]:
        notebook.cells.insert(1, new_code_cell(id=INSTALL, metadata={"tags": ["remove-cell"]}))
    notebook.cells[1].source = install_code()
