"""What the two runs of notebook 07 print on which the guide's sample report rests.

The student of `instructors/sample_report.md` runs the notebook as it is, adds one cell, and runs
all of it again after changing one thing: the number of pictures. The last cell is the marker's.
`course.py guide --report` runs both and stores what is printed.
"""

import json
import os
import tempfile
from functools import cache
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from vae_course.commands.notebooks import FOLDER, notebook_paths
from vae_lib._files import write_text_atomically

MEASURED = FOLDER.parent / "instructors" / "sample_report.json"
AS_IT_IS = "count=900"  # in the notebook
RUNS = {"first": AS_IT_IS, "second": "count=1800"}
QUOTED = {  # the cells of the notebook that the report quotes, by their beginnings
    "kinds": "train, test = len(",
    "checks": "from vae_lib import inspect_images\n",
    "training": "from vae_lib.evaluation import average\n",
    "gap": 'vae = models["all pictures"]',
    "sliders": "from vae_lib import PosteriorIndex, encode_dataset, permutation_loss\n",
    "right": "from vae_lib.evaluation import average_share\n",
    "differences": "pairs = [",
    "measures": 'print("origin: recall@1")',
    "familiar": "from vae_lib.evaluation import rate\n",
    "summary": "def by_rule_of(",
}
OWN_Z = """\
from vae_lib import gated_search
from vae_lib.evaluation import pixel_distances

z = [0, 0, 0, 0, 0, 0, 4, -4, 0, 0]
with torch.no_grad():
    picture = vae.decode(torch.tensor([z], dtype=torch.float32))  # [1, 3, 32, 32]
answers = {rule: index.search(z, k=5, rule=rule) for rule in ("likelihood", "euclidean")}
answers["gate"] = gated_search(vae, index, z, k=5)
print("familiar:", bool(answers["gate"].familiar))
print(f"probability of the first by likelihood: {answers['likelihood'].probabilities[0]:.0%}")
for rule, found in answers.items():
    named = [images.class_names[label] for label in images.train_labels[found.indices]]
    distance = pixel_distances(picture, images.train_images[found.indices[:1]] / 255).item()
    print(f"{rule:>10}: {', '.join(named)}; pixel distance of the first {distance:.0f}")
"""
MARKERS_CHECK = """\
lead = result.lead("uniform 5", "likelihood", "euclidean", "pixel distance")
print(f"uniform 5, likelihood minus Euclidean: {lead:+.1f}")
"""
ADDED = {"own z": OWN_Z, "check": MARKERS_CHECK}


def students_notebook(count: str) -> nbformat.NotebookNode:
    """Return notebook 07 with another number of pictures and the cells that were added.

    Args:
        count: the argument that takes the place of `AS_IT_IS`, such as "count=1800".
    """
    (path,) = notebook_paths(["07"])
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = cell.source.replace(AS_IT_IS, count)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in ADDED.values()]
    return notebook


def printed(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Return what the quoted and the added cells of a notebook printed, by name."""
    texts = {}
    for name, beginning in (QUOTED | ADDED).items():
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.source.startswith(beginning):
                streams = [each.text for each in cell.outputs if each.get("name") == "stdout"]
                texts[name] = "".join(streams).rstrip()
    return texts


def measure() -> None:
    """Run the student's notebook twice, in a folder of its own, and store what it prints."""
    os.environ["OMP_NUM_THREADS"] = "1"  # for the kernel, as for the other figures of the guide
    texts = {}
    for run, count in RUNS.items():
        notebook = students_notebook(count)
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder) / "notebooks"
            work.mkdir()
            NotebookClient(
                notebook, timeout=1200, resources={"metadata": {"path": str(work)}}
            ).execute()
        texts[run] = printed(notebook)
    write_text_atomically(MEASURED, json.dumps(texts, indent=1, ensure_ascii=False) + "\n")


@cache
def load() -> dict[str, dict[str, str]]:
    """Return what each run printed, by run and by the name of the cell."""
    return json.loads(MEASURED.read_text(encoding="utf-8"))


def quotation(run: str, name: str) -> str:
    """Return what one cell printed in one run, or the source of a cell, as a block of Markdown.

    Args:
        run: "first" or "second", or "source" for the source of an added cell.
        name: a name in `QUOTED` or `ADDED`.
    """
    if run == "source":
        return f"```python\n{ADDED[name].strip()}\n```"
    return f"```text\n{load()[run][name]}\n```"
