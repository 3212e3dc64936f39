"""`course.py site`: build a static site from the stored notebooks, in build/site.

This module collects the sources for Sphinx (docs/conf.py): the README, the
notebooks, the glossary, and two generated pages, the references and the library reference.
docs/landing.html is the template of the front page. It executes no notebook, and the site loads
nothing from other hosts. The playground is part of the site.
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
from vae_course.publish.quiz_form import quiz_form
from vae_course.publish.references import as_markdown, references
from vae_lib import load_images

PAGES = [ROOT / "docs" / name for name in ("benchmark.md", "beyond_one_process.md")]
SITE = ROOT / "build" / "site"
FOLDED = 4  # lines of a figure's code: fewer stay open
PACKAGES = ["vae_lib", "vae_lib.evaluation", "vae_lib.engines", "vae_course.exercises"]


def gather(folder: Path) -> None:
    """Write all of Sphinx's sources into a folder."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = {
        # the landing page asks the question; of the README, a reader here wants what follows
        "README.md": re.sub("^# .*", "# Installation and data", without_dead_links(readme, ROOT)),
        "references.md": references_page(),
        "library.rst": library_page(),
    }
    pages |= {f"notebooks/{path.name}": notebook_page(path) for path in notebook_paths()}
    for page in (folder / "docs", folder / "notebooks"):
        page.mkdir(parents=True)
    for name in ("index.md", "glossary.md"):
        shutil.copy(ROOT / "docs" / name, folder)
    for file in (*PAGES, *pictures()):
        shutil.copy(file, folder / "docs")
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def pictures() -> list[Path]:
    """Return the paths of the README's pictures and of the notebooks' badges."""
    docs = ROOT / "docs"
    return sorted([*docs.glob("*.png"), *docs.glob("open_in_*.svg")])


def without_dead_links(markdown: str, folder: Path) -> str:
    """Replace links to files that are not on the site, such as LICENSE, by their texts."""
    published = [*PAGES, *notebook_paths(), *pictures()]

    def checked(link: re.Match) -> str:
        text, target = link.groups()
        file = (folder / target).resolve()
        return text if file.is_file() and file not in published else link[0]

    return re.sub(r"\[([^]]*)\]\(([^)\s#]+)[^)\s]*\)", checked, markdown)


def notebook_page(path: Path) -> str:
    """Return a notebook as a page shows it.

    Each picture has its alt text where MyST-NB reads it, the code of a figure is folded, and a
    quiz is a form, since no kernel answers.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = without_dead_links(cell.source, path.parent)
        elif quiz := re.fullmatch(r"quiz\((\d)\)", cell.source):
            form = {"text/html": quiz_form(int(quiz[1]))}
            cell.outputs = [nbformat.v4.new_output("display_data", form)]
            cell.metadata["tags"] = ["remove-input"]
        for output in cell.get("outputs", []):
            if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
                if output.output_type == "display_data" and cell.source.count("\n") >= FOLDED:
                    cell.metadata["tags"] = ["hide-input"]
    return nbformat.writes(notebook)


def references_page() -> str:
    """Return a page that lists the references, each with the notebooks that cite it."""
    texts = {path: path.read_text(encoding="utf-8") for path in notebook_paths()}
    lines = ["# References", ""]
    for reference in sorted(references().values(), key=lambda r: (r["year"], r["title"])):
        quoting = [path for path, text in texts.items() if reference["title"] in text]
        links = ", ".join(f"[{path.stem[:2]}](notebooks/{path.name})" for path in quoting)
        lines.append(f"- {as_markdown(reference)}" + (f" Quoted in {links}." if links else ""))
    return "\n".join(lines) + "\n"


def library_page() -> str:
    """Return the library reference: all public names, in the order of the packages' imports."""
    lines = [":tocdepth: 3", "", *heading("Library reference", "=")]
    for name in PACKAGES:
        package = importlib.import_module(name)
        lines += [*heading(name, "-"), f".. automodule:: {name}", "   :no-members:", ""]
        directives_of: dict[str, list[str]] = {}  # by module
        # the order of the imports; Explorer comes last, since it is imported when it is first used
        names = dict.fromkeys([*vars(package), *package.__all__])
        for thing in (getattr(package, each) for each in names if each in package.__all__):
            if callable(thing) and hasattr(thing, "__name__"):
                kind = "class" if isinstance(thing, type) else "function"
                directive = f".. auto{kind}:: {name}.{thing.__name__}"
                directives_of.setdefault(thing.__module__, []).extend([directive, ""])
        for module, directives in directives_of.items():
            if module != name:
                lines += heading(module.removeprefix(f"{name}."), "~")
            lines += directives
    return "\n".join(lines)


def heading(text: str, underline: str) -> list[str]:
    return [text, underline * len(text), ""]


def build(site: Path) -> bool:
    """Build the site and return whether Sphinx finished without a warning.

    Sphinx reads all pages again on each build, because it repeats no warning for a cached page.

    Args:
        site: the folder to write. It is replaced only after a complete build.
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
        print(
            "course.py site: see the warnings above; build/site was not changed.", file=sys.stderr
        )
        return 1
    print(f"The site: {(SITE / 'index.html').as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
