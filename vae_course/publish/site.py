"""`course.py site`: a static site from what the notebooks store, in build/site.

Sphinx (docs/conf.py) reads a folder of sources that is put together here: the README as the front
page, the notebooks, the glossary, and two pages that are made from other files, the references and
the library reference. No notebook is executed, and the site asks no other host for anything. The
playground is built beside the pages.
"""

import argparse
import importlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat

from vae_course import ROOT
from vae_course.commands.notebooks import notebook_paths
from vae_course.publish.npm import javascript
from vae_course.publish.playground import build as playground
from vae_course.publish.references import as_markdown, references
from vae_lib import load_images

BENCHMARK = ROOT / "docs" / "benchmark.md"
SITE = ROOT / "build" / "site"
PACKAGES = ["vae_lib", "vae_lib.evaluation", "vae_lib.engines", "vae_course.exercises"]


def gather(folder: Path) -> None:
    """Fill a folder with everything that Sphinx reads."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = {
        "README.md": without_dead_links(readme, ROOT),
        "references.md": references_page(),
        "library.rst": library_page(),
    }
    pages |= {f"notebooks/{path.name}": notebook_page(path) for path in notebook_paths()}
    for page in (folder / "docs", folder / "notebooks"):
        page.mkdir(parents=True)
    for name in ("index.md", "glossary.md"):
        shutil.copy(ROOT / "docs" / name, folder)
    for file in (BENCHMARK, *pictures()):
        shutil.copy(file, folder / "docs")
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def pictures() -> list[Path]:
    """Return the README's pictures."""
    return sorted((ROOT / "docs").glob("*.png"))


def without_dead_links(markdown: str, folder: Path) -> str:
    """Keep the text alone of a link to a file of ours that is not on the site: LICENSE, say."""
    published = [BENCHMARK, *notebook_paths(), *pictures()]

    def checked(link: re.Match) -> str:
        text, target = link.groups()
        file = (folder / target).resolve()
        return text if file.is_file() and file not in published else link[0]

    return re.sub(r"\[([^]]*)\]\(([^)\s#]+)[^)\s]*\)", checked, markdown)


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
        # the order of the imports; Explorer comes last, since it is imported when it is first used
        names = dict.fromkeys([*vars(package), *package.__all__])
        for thing in (getattr(package, each) for each in names if each in package.__all__):
            if callable(thing) and hasattr(thing, "__name__"):
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


def build(site: Path) -> bool:
    """Build the site into a folder and return whether all went well, without a single warning.

    All pages are read anew, since a page that was read before would keep its warnings to itself.
    `site` is replaced when the new one is whole.
    """
    from sphinx.cmd.build import main as sphinx

    site.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=site.parent, prefix=".site-") as scratch:
        source, doctrees, new = (Path(scratch) / name for name in ("source", "doctrees", "site"))
        gather(source)
        options = ["-W", "--keep-going", "-q", "-c", str(ROOT / "docs"), "-d", str(doctrees)]
        if sphinx([*options, str(source), str(new)]) != 0:
            return False
        playground.build(new / "playground", load_images("auto"), in_site=True)
        shutil.rmtree(site, ignore_errors=True)
        new.rename(site)
    return True


def main(arguments: list[str]) -> int:
    argparse.ArgumentParser(prog="course.py site", description=__doc__).parse_args(arguments)
    try:
        javascript()
    except RuntimeError as error:
        print(f"course.py site: {error}", file=sys.stderr)
        return 1
    if not build(SITE):
        print("course.py site: see the warnings above; build/site is as it was.", file=sys.stderr)
        return 1
    print(f"The site: {(SITE / 'index.html').as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
