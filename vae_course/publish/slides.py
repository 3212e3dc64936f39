"""`course.py slides`: a deck of reveal.js slides from each notebook, in build/slides.

A deck contains the cells whose slide type is set (in JupyterLab: the property inspector, Slide
Type). "slide" begins a slide, "-" continues it, and "fragment" appears at the next key press. The
slides show what a lecturer points at: headings, formulas, lists, tables, quotes, printed text,
figures, and paragraphs that contain bold text. All other paragraphs become the speaker's notes
(key S). The slides need no server and no network.
"""

import argparse
import html
import math
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from pygments.formatters import HtmlFormatter

from vae_course import ROOT
from vae_course.commands.notebooks import notebook_paths
from vae_course.publish.npm import javascript
from vae_lib._files import write_text_atomically

SLIDES = ROOT / "build" / "slides"
FOR_READERS = ("## Before you start", "## Read more")  # sections that a lecture omits
LINES, COLUMNS = 15, 82  # of text that fit on a slide
BESIDE_A_FIGURE = 5  # lines of text; a figure after more of them gets a slide of its own
PLAYGROUND = "http://127.0.0.1:8800/"  # where `course.py playground` serves it
DEMO = """\
- Move a slider, and watch the picture and both rows.
- Point at a garment: the bands on the sliders are its μ\u00a0±\u00a0σ.
- Before the lecture: `python3 course.py playground`"""


def deck(notebook: NotebookNode) -> NotebookNode:
    """Return a notebook whose cells are the slides of another notebook."""
    heading = ""
    cells: list[NotebookNode] = []
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "skip")
        if cell.cell_type == "code":
            if kind != "skip" and draws(cell) and lines_on_last_slide(cells) > BESIDE_A_FIGURE:
                kind = "slide"
            cells += code_cells(cell, heading, kind)
            continue
        for part in re.split(r"^(?=#+ )", cell.source, flags=re.MULTILINE):
            part = re.sub(r"^###+ ", "## ", part)
            if part.startswith("#"):
                heading = "## " + part.splitlines()[0].lstrip("# ")
            if kind != "skip" and part.strip() and not part.startswith(FOR_READERS):
                cells += text_cells(part, heading, "slide" if part.startswith("#") else kind)
    fill_empty_slides(cells)
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    return nbformat.v4.new_notebook(cells=cells, metadata={"title": title})


def fill_empty_slides(cells: list[NotebookNode]) -> None:
    """Under a heading that nothing follows but notes, show the first paragraph of the notes."""
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in cells] + ["slide", "slide"]
    for place, (cell, notes) in enumerate(pairwise(cells)):
        alone = cell.cell_type == "markdown" and re.fullmatch(r"#.*", cell.source)
        if alone and kinds[place + 1] == "notes" and kinds[place + 2] == "slide":
            first, _, notes.source = notes.source.partition("\n\n")
            cell.source += f"\n\n{first}"


def draws(cell: NotebookNode) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


def lines_on_last_slide(cells: list[NotebookNode]) -> float:
    """Estimate the height of the text on the slide that the last cell belongs to."""
    lines = 0.0
    for cell in reversed(cells):
        kind = cell.metadata["slideshow"]["slide_type"]
        if cell.cell_type == "markdown" and kind != "notes":
            blocks = re.split(r"\n\s*\n", cell.source)
            lines += sum(lines_of_text(block) for block in blocks if not block.startswith("#"))
        if kind == "slide":
            break
    return lines


def text_cells(part: str, heading: str, kind: str) -> list[NotebookNode]:
    """Return a section of a Markdown cell as cells of one or more slides, and the notes for it."""
    blocks = re.split(r"\n\s*\n|\n(?=- |\d\. )", part.strip())
    shown = [block for block in blocks if on_a_slide(block)]
    notes = [block for block in blocks if not on_a_slide(block)]
    cells = []
    for number, page in enumerate(pages(shown)):
        new_slide = kind == "slide" or number > 0
        if new_slide and not page[0].startswith("#"):
            page.insert(0, heading)
        cells.append(text_cell("\n\n".join(page), "slide" if new_slide else kind))
    return cells + ([text_cell("\n\n".join(notes), "notes")] if notes else [])


def on_a_slide(block: str) -> bool:
    """Return whether a block of Markdown is shown on the slide rather than in the notes."""
    return bool(re.match(r"#|- |\d\. |\||>|\$\$|\*[^*]", block)) or "**" in block


def pages(blocks: list[str]) -> list[list[str]]:
    """Distribute blocks evenly over as few slides as their height allows."""
    groups = kept_together(blocks)
    heights = [sum(map(lines_of_text, group)) for group in groups]
    even = sum(heights) / math.ceil(sum(heights) / LINES) if groups else 0
    slides: list[list[str]] = []
    used = 0.0
    for group, height in zip(groups, heights, strict=True):
        if not slides or used + height > LINES or used + height / 2 > even:
            slides.append([])
            used = 0.0
        slides[-1] += group
        used += height
    return slides


def kept_together(blocks: list[str]) -> list[list[str]]:
    """Group blocks that belong on one slide: a heading or an introduction, and the next block."""
    groups: list[list[str]] = []
    leads_on = False
    for block in blocks:
        if leads_on:
            groups[-1].append(block)
        else:
            groups.append([block])
        leads_on = block.startswith("#") or block.endswith((":", ","))
    return groups


def lines_of_text(block: str) -> float:
    """Estimate the height of a block, in lines of text; the tests measure it in a browser."""
    if block.startswith("$$"):
        return 2.5
    visible = re.sub(r"\]\([^)]*\)", "", block)  # no addresses of links
    if block.startswith("|"):
        return visible.count("\n")
    return 0.4 + sum(1 + len(line) // COLUMNS for line in visible.splitlines())


def text_cell(source: str, kind: str) -> NotebookNode:
    source = re.sub(r"\((\d\d_\w+)\.ipynb", r"(\1.html", source)  # links between the decks
    return new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}})


def code_cells(cell: NotebookNode, heading: str, kind: str) -> list[NotebookNode]:
    """Return a code cell, after its section's heading if it begins a slide.

    The code is hidden if the cell draws a figure or appears at the next key press.
    """
    if kind == "skip":
        return []
    if demo := live_demo(cell, heading):
        return [demo]
    hide = draws(cell) or kind == "fragment"
    hidden = {"transient": {"remove_source": True}} if hide else {}
    begins = [text_cell(heading, "slide")] if kind == "slide" else []
    slide_type = "-" if begins else kind
    cell.metadata = NotebookNode(slideshow={"slide_type": slide_type}, **hidden)
    return [*begins, cell]


def live_demo(cell: NotebookNode, heading: str) -> NotebookNode | None:
    """Return a slide with a link to the playground, at the z of the explorer that a cell shows.

    The captions of the explorer's picture are too small for a lecture room.
    """
    texts = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    shown = re.match(r"Explorer at z = \[(.*)\]", "".join(texts))
    if not shown:
        return None
    z = shown[1].replace("−", "-").replace(" ", "")
    link = f'<a class="demo" href="{PLAYGROUND}#z={z}">Live demo: open the playground</a>'
    return text_cell(f"{heading}\n\n{link}\n\n{DEMO}", "slide")


def write_assets(folder: Path, packages: Path) -> None:
    """Copy the style sheets and scripts that the decks use into a folder beside them."""
    reveal = packages / "reveal.js" / "dist"
    assets = folder / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    for path in (
        reveal / "reveal.js",
        reveal / "reveal.css",
        reveal / "plugin" / "notes.js",
        packages / "mathjax" / "es5" / "tex-svg-full.js",
        ROOT / "docs" / "slides.css",
        ROOT / "docs" / "slides.js",
        ROOT / "docs" / "favicon.svg",
    ):
        shutil.copyfile(path, assets / path.name)
    light, dark = (
        HtmlFormatter(style=f"a11y-high-contrast-{shade}") for shade in ("light", "dark")
    )
    rules = [formatter.get_style_defs(".highlight") for formatter in (light, dark)]
    code = f"{rules[0]}\n@media (prefers-color-scheme: dark) {{\n{rules[1]}\n}}\n"
    write_text_atomically(assets / "code.css", code)


def index_page(titles: dict[str, str]) -> str:
    items = "\n".join(
        f'<li><a href="{name}">{html.escape(t)}</a></li>' for name, t in titles.items()
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slides</title>
<link rel="icon" href="assets/favicon.svg">
<link rel="stylesheet" href="assets/slides.css">
</head>
<body class="contents">
<main>
<h1>Which garments are nearest to z?</h1>
<ul>
{items}
</ul>
<p>Arrow keys turn the pages, S opens the speaker's notes, Esc shows all slides.</p>
</main>
</body>
</html>
"""


def build(folder: Path) -> None:
    """Write a deck for each notebook that has slides, and a page that lists the decks."""
    write_assets(folder, javascript())
    template = str(ROOT / "docs" / "slides.html.j2")
    exporter = SlidesExporter(template_file=template, exclude_anchor_links=True)
    titles = {}
    for path in notebook_paths():
        slides = deck(nbformat.read(path, as_version=4))
        if not slides.cells:
            continue  # no cell has a slide type
        page, _ = exporter.from_notebook_node(slides)
        titles[f"{path.stem}.html"] = slides.metadata.title
        write_text_atomically(folder / f"{path.stem}.html", page)
    write_text_atomically(folder / "index.html", index_page(titles))


def main(arguments: list[str]) -> int:
    argparse.ArgumentParser(prog="course.py slides", description=__doc__).parse_args(arguments)
    try:
        build(SLIDES)
    except RuntimeError as error:
        print(f"course.py slides: {error}", file=sys.stderr)
        return 1
    print(f"The slides: {(SLIDES / 'index.html').as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
