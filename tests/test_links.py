"""Every link in the notebooks and in our Markdown files leads somewhere.

Links to other hosts are asked for only where there is a network, each address once.
"""

import re
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

from vae_course.commands.notebooks import notebook_paths

ROOT = Path(__file__).parents[1]
PAGES = [
    *notebook_paths(),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md") if (ROOT / name).exists()),
    *sorted((ROOT / "instructors").glob("**/*.md")),
    ROOT / "docs" / "beyond_one_process.md",
]
SECONDS = 20


def markdown(path: Path) -> str:
    """Return the Markdown of a file or notebook, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`]*`", "", text)


def links(text: str) -> list[str]:
    """Return the targets of all links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"<(https?://[^>\s]+)>", text)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a file's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", markdown(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_ends(text: str, path: Path) -> list[str]:
    """Return the links of a page that lead to no file, or to no heading in it."""
    dead = []
    for target in links(text):
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(target)
    return dead


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    assert dead_ends(markdown(path), path) == []


def test_the_check_finds_broken_links(tmp_path):
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# What σ says, and why\n", encoding="utf-8")
    page.write_text(
        "# Here\n[a](other.md) [b](other.md#what-σ-says-and-why) [c](#here) [d](https://a.b)\n"
        "[e](missing.md) [f](other.md#missing) ![g](missing.png) [h](#missing) `[i](no.md)`\n"
        "```\n[j](no.md)\n```\n",
        encoding="utf-8",
    )
    found = dead_ends(markdown(page), page)
    assert found == ["missing.md", "other.md#missing", "missing.png", "#missing"]


def status(address: str) -> int:
    """Return the HTTP status that an address answers with."""
    request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (link check)"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_external_links_can_be_reached():
    addresses = {link for path in PAGES for link in links(markdown(path)) if "://" in link}
    assert addresses
    try:
        reached = status("https://github.com")
    except OSError as error:
        pytest.skip(f"no network: {error}")
    if reached != 200:
        pytest.skip(f"no network: a proxy answered {reached}")
    gone = {
        address: code for address in sorted(addresses) if (code := status(address)) in (404, 410)
    }
    assert gone == {}
