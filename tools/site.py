"""`course.py site`: a static site from what the notebooks store, in build/site.

Sphinx (docs/conf.py) reads a folder of sources that is put together here: the README as the front
page, the notebooks, the glossary, and two pages that are made from other files, the references and
the library reference. Nothing is executed, and the site asks no other host for anything.
"""

import argparse
import importlib
import re
import sys
from pathlib import Path

import nbformat

from tools.notebooks import notebook_paths
from tools.npm import javascript
from tools.references import as_markdown, references

ROOT = Path(__file__).parents[1]
SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
PACKAGES = ["vae_lib", "vae_lib.evaluation", "vae_lib.engines", "vae_lib.exercises"]


def gather() -> None:
    """Fill SOURCE with everything that Sphinx reads; a file that has not changed stays as it is."""
    pages = {
        "index.md": (ROOT / "docs" / "index.md").read_text(encoding="utf-8"),
        "glossary.md": (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"),
        "README.md": without_dead_links((ROOT / "README.md").read_text(encoding="utf-8"), ROOT),
        "references.md": references_page(),
        "library.rst": library_page(),
    }
    pages |= {f"notebooks/{path.name}": notebook_page(path) for path in notebook_paths()}
    for picture in (ROOT / "docs").glob("*.png"):
        write_bytes(SOURCE / "docs" / picture.name, picture.read_bytes())
    for name, text in pages.items():
        write_bytes(SOURCE / name, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write where something changed, so that Sphinx reads again only what it has to."""
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def without_dead_links(markdown: str, folder: Path) -> str:
    """Keep the text alone of a link to a file that is not on the site, solutions for example."""
    published = [*notebook_paths(), *(ROOT / "docs").glob("*.png")]

    def checked(link: re.Match) -> str:
        text, target = link.groups()
        elsewhere = re.match(r"https?:|#", target)
        return (
            link[0] if elsewhere or (folder / target.split("#")[0]).resolve() in published else text
        )

    return re.sub(r"\[([^]]*)\]\(([^)\s]+)\)", checked, markdown)


def notebook_page(path: Path) -> str:
    """Return a notebook whose pictures have their alt text where MyST-NB looks for it."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = without_dead_links(cell.source, path.parent)
        for output in cell.get("outputs", []):
            if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
    return nbformat.writes(notebook)


def references_page() -> str:
    """Return the list of references, each with the notebooks that quote it."""
    texts = {path: path.read_text(encoding="utf-8") for path in notebook_paths()}
    lines = ["# References", ""]
    for reference in sorted(references().values(), key=lambda r: (r["year"], r["title"])):
        quoting = [path for path, text in texts.items() if reference["title"] in text]
        links = ", ".join(f"[{path.stem[:2]}](notebooks/{path.name})" for path in quoting)
        lines.append(f"- {as_markdown(reference)}" + (f" Quoted in {links}." if links else ""))
    return "\n".join(lines) + "\n"


def library_page() -> str:
    """Return the page of all public names, in the order in which the packages import them."""
    lines = [":tocdepth: 3", "", *heading("Library reference", "=")]
    for name in PACKAGES:
        package = importlib.import_module(name)
        lines += [*heading(name, "-"), f".. automodule:: {name}", "   :no-members:", ""]
        rooms: dict[str, list[str]] = {}  # what each module holds
        for thing in vars(package).values():
            if callable(thing) and getattr(thing, "__name__", None) in package.__all__:
                kind = "class" if isinstance(thing, type) else "function"
                directive = f".. auto{kind}:: {name}.{thing.__name__}"
                rooms.setdefault(thing.__module__, []).extend([directive, ""])
        for module, directives in rooms.items():
            if module != name:
                lines += heading(module.removeprefix(f"{name}."), "~")
            lines += directives
    return "\n".join(lines)


def heading(text: str, underline: str) -> list[str]:
    return [text, underline * len(text), ""]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py site", description=__doc__)
    parser.parse_args(arguments)
    from sphinx.cmd.build import main as sphinx

    try:
        javascript()
    except RuntimeError as error:
        print(f"course.py site: {error}", file=sys.stderr)
        return 1
    gather()
    failed = sphinx(["-W", "--keep-going", "-q", "-c", str(ROOT / "docs"), str(SOURCE), str(SITE)])
    if not failed:
        print(f"The site is in {SITE}; open {(SITE / 'index.html').as_uri()}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
