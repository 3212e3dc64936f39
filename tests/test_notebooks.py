"""Every notebook as a reader meets it: executed in order, whole, described, and short of cells."""

import json
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import scipy.stats
from IPython.core.inputtransformer2 import TransformerManager

from vae_course.commands import badges, notebooks
from vae_course.commands.notebooks import cleaned, notebook_paths
from vae_course.publish.references import references
from vae_lib import encode_dataset, load_images, load_pretrained

ROOT = Path(__file__).parents[1]
PATHS = notebook_paths()
SECTIONS = ["## What you will learn", "## Before you start"]
ENDINGS = ["## What you have learned", "## Read more"]
LONGEST_CELL = 12
MEGABYTES = 1.5
# Cells whose text cannot be the same twice, with the reason; every other output is compared.
UNCOMPARED: dict[tuple[str, str], str] = {
    ("06_scaling", cell): "says something else where the extra `cluster` is missing"
    for cell in ("milvus-open", "milvus-insert", "milvus-verify", "milvus-alarm")
} | {
    ("08_bring_your_own_vae", f"try-{package}"): "says something else where the package is missing"
    for package in ("pythae", "diffusers")
}


def parametrize_notebooks():
    return pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@parametrize_notebooks()
def test_it_was_executed_in_order_without_error(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert [c.execution_count for c in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    for cell in code(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.text


@parametrize_notebooks()
def test_stored_outputs_are_clean(path):
    text = path.read_text(encoding="utf-8")
    notebook = read(path)
    assert cleaned(nbformat.reads(text, as_version=4)) == notebook
    assert "widgets" not in notebook.metadata
    assert "widget-view" not in text
    assert len(text) < MEGABYTES * 1e6


@parametrize_notebooks()
def test_every_picture_has_a_text(path):
    for cell in code(read(path)):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                alt = output.metadata["image/png"]["alt"]
                assert len(alt.split()) >= 6, f"says too little: {alt!r}"


@parametrize_notebooks()
def test_cells_are_short_and_no_statement_hides_its_value(path):
    for cell in code(read(path)):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert 1 <= len(lines) <= LONGEST_CELL, cell.source
        assert not lines[-1].rstrip().endswith(";"), cell.source


@parametrize_notebooks()
def test_every_notebook_has_the_required_parts(path):
    notebook = read(path)
    text = prose(notebook)
    title, promise = notebook.cells[0].source.split("\n\n")[:2]
    assert re.match(rf"# {path.stem[:2]} ", title), title
    assert promise.startswith("*"), "a one-sentence promise in italics under the title"
    places = [text.index(section) for section in SECTIONS + ENDINGS]
    assert places == sorted(places)
    learn = text.split(SECTIONS[0])[1].split("\n## ")[0]
    learned = text.split(ENDINGS[0])[1].split("\n## ")[0]
    bullets = [re.findall(r"^- ", part, flags=re.MULTILINE) for part in (learn, learned)]
    assert 3 <= len(bullets[0]) <= 5
    assert len(bullets[0]) == len(bullets[1]), "the same bullets, answered"
    before = text.split(SECTIONS[1])[1].split("\n## ")[0]
    assert re.search(r"\d+ minutes", before)


@parametrize_notebooks()
def test_its_badges_open_it_and_the_cells_defined_elsewhere_are_up_to_date(path):
    notebook, again = read(path), read(path)
    notebooks.write_shared_cells(again, path.name)
    assert again == notebook
    colab, binder = re.findall(r"\]\((https:\S+)\)", notebook.cells[0].source)
    project = re.fullmatch(r"https://github\.com/([\w-]+/[\w.-]+)", badges.repository())[1]
    for address, before in (
        (colab, f"https://colab.research.google.com/github/{project}/blob/{badges.BRANCH}/"),
        (binder, f"https://mybinder.org/v2/gh/{project}/{badges.BRANCH}?urlpath=lab/tree/"),
    ):
        assert address.startswith(before)
        assert ROOT / address.removeprefix(before) == path


@pytest.mark.parametrize("colab", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_the_install_cell_acts_only_in_colab_without_the_course(colab, missing, monkeypatch):
    calls = []

    class Shell:
        def run_line_magic(self, name, line):
            calls.append((name, line))

    if colab:
        monkeypatch.setitem(sys.modules, "google.colab", sys)
    if missing:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    names = {"get_ipython": Shell}
    exec(TransformerManager().transform_cell(badges.install_code()), names)
    if not (colab and missing):
        assert calls == []
        return
    assert names["course"] == f"vae_lib[scale] @ git+{badges.repository()}@{badges.BRANCH}"
    ((name, line),) = calls
    assert name == "pip"
    assert line.startswith("install ")
    assert line.endswith(' "{course}"')


def test_cells_are_written_without_running_anything(monkeypatch, tmp_path):
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    new = nbformat.v4
    result = new.new_output("execute_result", {"text/plain": "2"}, execution_count=1)
    cells = [new.new_markdown_cell("# 00 Sum"), new.new_code_cell("1 + 1", outputs=[result])]
    path = tmp_path / "00_sum.ipynb"
    nbformat.write(new.new_notebook(cells=cells), path)
    for _ in range(2):  # the second time changes nothing
        assert notebooks.main(["00", "--cells"]) == 0
        title, install, code_cell = read(path).cells
        assert title.source == "# 00 Sum\n\n" + badges.badge_line("00_sum.ipynb")
        assert (install.source, install.execution_count) == (badges.install_code(), 1)
        assert (code_cell.execution_count, code_cell.outputs[0].execution_count) == (2, 2)


@parametrize_notebooks()
def test_it_links_to_the_next_one(path):
    later = [other for other in PATHS if other.stem > path.stem]
    if later:
        last = [c for c in read(path).cells if c.cell_type == "markdown"][-1]
        assert f"({later[0].name})" in last.source


@parametrize_notebooks()
def test_what_to_read_is_in_the_bibliography(path):
    more = prose(read(path)).split(ENDINGS[1])[1].split("\n## ")[0]
    bullets = re.findall(r"^- .+(?:\n  .+)*", more, flags=re.MULTILINE)
    assert bullets
    for bullet in (" ".join(bullet.split()) for bullet in bullets):
        known = [
            each["title"] in bullet and f"({each['year']})" in bullet
            for each in references().values()
        ]
        assert any(known), f"title and (year) are not in references.bib: {bullet}"


def tagged(tag: str) -> set[tuple[str, str]]:
    """Return notebook and id of every cell with a tag."""
    return {
        (path.stem, cell.id)
        for path in PATHS
        for cell in code(read(path))
        if tag in cell.metadata.get("tags", [])
    }


def test_few_outputs_are_not_compared_and_each_has_its_reason():
    assert tagged("nbval-ignore-output") == set(UNCOMPARED)
    for tag in ("nbval-skip", "nbval-raises-exception", "skip-execution"):
        assert not tagged(tag)
    assert not any("NBVAL_" in path.read_text(encoding="utf-8") for path in PATHS)


def test_the_scores_printed_in_notebook_04_are_those_of_scipy():
    images = load_images("auto")
    if images.name != "fashion-mnist":
        pytest.skip("the stored outputs were made on Fashion-MNIST")
    text = "".join(
        output.text
        for cell in code(read(ROOT / "notebooks" / "04_retrieval.ipynb"))
        for output in cell.outputs
        if output.output_type == "stream"
    )
    z = np.array(json.loads(re.search(r"z = (\[.+\])", text).group(1)))
    posteriors = encode_dataset(load_pretrained(images.name), images.train_images)
    mean, std = posteriors.mean.numpy().astype(float), posteriors.std.numpy().astype(float)
    printed = re.findall(r"best (-?[\d.]+), tenth (-?[\d.]+)", text)
    expected = [
        np.sort(-scipy.stats.norm(mean, std).logpdf(z).sum(axis=1)) * -1,
        np.sort(np.linalg.norm(z - mean, axis=1)),
    ]
    assert len(printed) == 2
    for (best, tenth), scores in zip(printed, expected, strict=True):
        assert float(best) == pytest.approx(scores[0], abs=0.051)
        assert float(tenth) == pytest.approx(scores[9], abs=0.051)


def test_notebook_06_skips_the_database_if_it_is_not_installed(monkeypatch, capsys, index):
    monkeypatch.setitem(sys.modules, "pymilvus", None)  # imports of it now fail
    cells = [cell for cell in code(read(ROOT / "notebooks" / "06_scaling.ipynb"))]
    names = {"posteriors": index.posteriors}  # what the cells before have defined, and these use
    ran = [cell for cell in cells if cell.id.startswith("milvus-")]
    for cell in ran:
        exec(cell.source, names)
    assert len(ran) == 4
    assert "pymilvus is not installed" in capsys.readouterr().out


def test_outputs_are_not_replaced_by_those_of_drawn_garments(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("VAE_LIB_IMAGES", "drawn")
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    path = tmp_path / "00_sum.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]), path)
    before = path.read_bytes()
    assert notebooks.main(["00"]) == 1
    assert path.read_bytes() == before
    assert "python3 course.py lab" in capsys.readouterr().out
    assert notebooks.main(["00", "--drawn"]) == 0
    (cell,) = read(path).cells
    assert cell.outputs[0].data["text/plain"] == "2"
