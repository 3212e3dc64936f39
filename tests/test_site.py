"""The site and the slides, built and opened in a browser, with nothing from another host.

Needs npm, which fetches MathJax and reveal.js once: without it these tests skip and say so; in CI,
on Linux, they fail.
"""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from vae_course.commands.notebooks import notebook_paths
from vae_course.exercises.quizzes import QUIZZES
from vae_course.publish import landing, npm
from vae_course.publish.references import references
from vae_course.publish.site import without_dead_links

pytest.importorskip("sphinx", reason="python3 course.py test --all")
pytest.importorskip("playwright.sync_api")

from vae_course.publish import slides
from vae_course.quality.browser import Watch

ROOT = Path(__file__).parents[1]
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PAGES = ["index.html", "README.html", "glossary.html", "references.html", "library.html"]
PAGES += [f"notebooks/{path.stem}.html" for path in notebook_paths()]
FEWEST, MOST = 8, 22  # slides for one lecture
SMALLEST = 240  # pixels of height, of the 720 that a slide has, for a figure to be read


@pytest.fixture(scope="module")
def javascript():
    try:
        return npm.javascript()
    except RuntimeError as error:
        must_run = os.environ.get("CI") and sys.platform == "linux"
        (pytest.fail if must_run else pytest.skip)(str(error))


@pytest.fixture(scope="module")
def site(javascript, tmp_path_factory):
    """The site, built without a warning."""
    folder = tmp_path_factory.mktemp("site") / "site"
    code = (
        "import pathlib, vae_course.publish.site as s;"
        f"print(s.build(pathlib.Path({str(folder)!r})))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.endswith("True\n"), result.stdout + result.stderr
    assert result.stderr == ""
    return folder


@pytest.fixture(scope="module")
def address(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def decks(javascript, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    slides.build(folder)
    return folder


def open_page(chromium, url: str, here: str, size=WIDE, theme="light"):
    """Open a page in a window of its own, and wait for its formulas."""
    page = chromium.new_page(viewport=size, color_scheme=theme)
    page.watch = Watch(page, here)
    page.goto(url)
    page.evaluate("window.MathJax ? MathJax.startup.promise.then(() => true) : true")
    return page


class Addresses(HTMLParser):
    """Collects what a page refers to, and the places in it that can be referred to."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.places.add(value)
            elif name == "href" and tag == "a":
                self.links.append(value)
            elif name in ("href", "src"):
                self.loads.append(value)


@pytest.mark.slow
def test_the_site_is_whole_and_its_links_lead_somewhere(site):
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    pages = {path: Addresses(path.read_text(encoding="utf-8")) for path in paths}
    assert {path.relative_to(site).as_posix() for path in pages} >= set(PAGES)
    for path, page in pages.items():
        for target in page.links + page.loads:
            if re.match(r"https?://|mailto:|data:", target):
                assert target in page.links, f"{path.name} loads {target}"
                continue
            name, _, anchor = unquote(target.partition("?")[0]).partition("#")
            file = (path.parent / name).resolve() if name else path
            assert file.exists(), f"{path.name}: {target}"
            if anchor and file in pages:
                assert anchor in pages[file].places, f"{path.name}: {target}"
    assert not [path for path in site.rglob("*") if re.search("instructor|solution", path.name)]


@pytest.mark.slow
def test_the_site_holds_every_public_name_and_every_reference(site):
    import vae_lib

    library = Addresses((site / "library.html").read_text(encoding="utf-8"))
    assert {f"vae_lib.{name}" for name in vae_lib.__all__} <= library.places
    text = (site / "references.html").read_text(encoding="utf-8")
    for reference in references().values():
        assert reference["title"].replace("'", "’") in text, reference["title"]


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_no_other_host_and_fits_a_phone(chromium, address, name):
    page = open_page(chromium, f"{address}/{name}", address, NARROW)
    formulas = page.locator(".math").count()
    assert page.locator(".math mjx-container > svg").count() == formulas
    assert page.locator("[data-mjx-error]").count() == 0
    if name.startswith("notebooks/") and "00_" not in name:
        assert formulas > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    alts = page.evaluate("[...document.querySelectorAll('article img')].map((each) => each.alt)")
    assert all(len(alt.split()) >= 3 for alt in alts), alts
    assert page.watch.elsewhere == []
    assert page.watch.complaints == []
    page.close()


@pytest.mark.slow
def test_the_landing_page_leads_to_the_playground_and_to_every_notebook(chromium, address):
    page = open_page(chromium, f"{address}/index.html", address)
    links = page.locator(".cards a").evaluate_all("all => all.map((each) => each.href)")
    assert links == [f"{address}/notebooks/{path.stem}.html" for path in notebook_paths()]
    assert page.locator(".minutes").all_inner_texts() == [
        f"{card.reading} min" + (f" + {card.exercises} min of exercises" if card.exercises else "")
        for card in landing.cards()
    ]
    assert landing.authors() in page.locator("footer").inner_text()
    for width in (272, 390, 640, 820, 1280, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("link", name="Open the playground").click()
    page.wait_for_url("**/playground/index.html*")
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault_in_the_landing_page(chromium, address, theme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    size = {"width": width, "height": 800}
    page = open_page(chromium, f"{address}/index.html", address, size, theme)
    response = axe.Axe().run(page).response
    assert [each["id"] for each in response["violations"]] == []
    assert {"region", "color-contrast"} <= {each["id"] for each in response["passes"]}
    page.close()


@pytest.mark.slow
def test_a_quiz_is_answered_by_keys_and_code_fits_and_can_be_copied(chromium, address):
    page = open_page(chromium, f"{address}/notebooks/04_retrieval.html", address)
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDE["width"]
    wide = """all => all.filter((each) => each.scrollWidth > each.clientWidth)
      .map((each) => each.textContent)"""
    assert page.locator("div.cell_input pre:visible").evaluate_all(wide) == []
    folded = page.locator("details.hide")
    assert folded.count() >= 3
    assert not folded.first.locator("pre").is_visible()
    assert page.locator(".copybtn").count() == page.locator("div.cell_input pre").count()
    for place, question in enumerate(QUIZZES[4]):
        form = page.locator(".quiz").nth(place)
        form.get_by_role("radio").first.press("Space")
        for option, (_, feedback) in enumerate(question.options):
            form.get_by_role("button").press("Enter")
            verdict = "Right" if option == question.right() else "Not quite"
            assert form.get_by_role("status").inner_text() == f"{verdict}. {feedback}"
            form.locator("input:checked").press("ArrowDown")
            assert form.get_by_role("status").inner_text() == ""
    assert page.watch.complaints == []
    page.close()


@pytest.mark.slow
def test_a_search_from_the_disk_says_that_it_needs_a_server(chromium, site):
    page = open_page(chromium, f"{site.as_uri()}/search.html?q=Mahalanobis", site.as_uri())
    page.locator("#search-results li").nth(3).wait_for()
    page.get_by_text("the search lists pages without excerpts").wait_for()
    assert page.watch.complaints == []
    page.close()


@pytest.mark.slow
def test_the_search_finds_a_term(chromium, address):
    page = open_page(chromium, f"{address}/search.html?q=Mahalanobis", address)
    page.locator("#search-results li").nth(3).wait_for()
    found = page.locator("#search-results").inner_text()
    for title in ("04 Retrieval", "05 Which rule", "Glossary", "Library reference"):
        assert title in found
    assert page.watch.elsewhere == []
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["README.html", "glossary.html", "notebooks/04_retrieval.html"])
def test_axe_finds_no_serious_fault(chromium, address, name, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(chromium, f"{address}/{name}", address, theme=theme)
    page.wait_for_timeout(1000)  # when the theme is set, buttons fade for a sixth of a second
    response = axe.Axe().run(page).response
    faults = [
        (violation["id"], node["html"][:200])
        for violation in response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
    assert faults == []
    assert "color-contrast" in {each["id"] for each in response["passes"]}
    page.close()


MEASURE = """() => [...document.querySelectorAll(".slides section section")].map((slide) => {
  const place = Reveal.getIndices(slide);
  Reveal.slide(place.h, place.v, 99);
  const boxes = [slide, ...slide.querySelectorAll("div, p, pre, table, img")];
  const spilt = boxes.filter((box) => getComputedStyle(box).display !== "inline"
    && !box.closest("aside")
    && (box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1));
  return {
    text: slide.innerText,
    spilt: spilt.map((box) => box.outerHTML.slice(0, 80)),
    figures: [...slide.querySelectorAll("img")].map((each) => each.clientHeight),
    alts: [...slide.querySelectorAll("img")].map((each) => each.alt),
    heading: Boolean(slide.querySelector("h1, h2")?.innerText),
    filled: (() => {
      const shown = [...slide.querySelectorAll("h1, p, li, pre, table, img, mjx-container")]
        .filter((box) => !box.closest("aside")).map((box) => box.getBoundingClientRect());
      const [top, bottom] = [Math.min, Math.max].map((most, end) =>
        most(...shown.map((box) => (end ? box.bottom : box.top))));
      return (bottom - top) / innerHeight;
    })(),
  };
})"""


@pytest.mark.slow
@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_slides_work_from_the_disk_and_fit(chromium, decks, path):
    deck = decks / f"{path.stem}.html"
    size = {"width": 1280, "height": 720}
    page = open_page(chromium, deck.as_uri(), decks.as_uri(), size)
    page.wait_for_function("Reveal.isReady()")
    measured = page.evaluate(MEASURE)
    assert FEWEST <= len(measured) <= MOST
    for slide in measured:
        assert slide["heading"], slide["text"]
        assert slide["spilt"] == [], slide["text"]
        assert slide["filled"] >= 0.2, slide["text"]  # of the height, besides the heading
        assert all(height >= SMALLEST for height in slide["figures"]), slide["text"]
        assert all(len(alt.split()) >= 6 for alt in slide["alts"])
    assert sum(len(slide["figures"]) for slide in measured) >= 1
    if not path.stem.startswith("00"):
        assert page.locator("section mjx-container > svg").count() > 0
        assert page.locator("aside.notes").count() > 0
    assert page.locator("[data-mjx-error]").count() == 0
    assert page.watch.elsewhere == []
    assert page.watch.complaints == []
    page.close()


@pytest.mark.slow
def test_the_list_of_decks(chromium, decks):
    page = open_page(chromium, (decks / "index.html").as_uri(), decks.as_uri(), NARROW)
    links = page.locator("li a").evaluate_all("all => all.map((each) => each.href)")
    assert links == [(decks / f"{path.stem}.html").as_uri() for path in notebook_paths()]
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert page.watch.complaints == []
    page.close()


def test_the_glossary_is_in_order_and_explains_words_of_the_course():
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^(\w.*)\n  ", glossary.split(":::{glossary}")[1], flags=re.MULTILINE)
    assert len(terms) > 40
    assert terms == sorted(terms, key=str.lower)
    notebooks = " ".join(path.read_text(encoding="utf-8").lower() for path in notebook_paths())
    assert [term for term in terms if term.lower() not in notebooks.replace("*", "")] == []


def test_only_cells_with_a_slide_type_are_on_slides():
    cells = [
        nbformat.v4.new_markdown_cell(
            "# Title\n\n*Promise.*\n\n## Before you start\n\n**You** need"
        ),
        nbformat.v4.new_markdown_cell("## Section\n\nProse.\n\n$$ x $$\n\n- **one**\n- two"),
        nbformat.v4.new_code_cell("print(1)"),
        nbformat.v4.new_code_cell("print(2)"),
    ]
    for cell, kind in zip(cells, ["slide", "slide", None, "slide"], strict=True):
        if kind:
            cell.metadata["slideshow"] = {"slide_type": kind}
    deck = slides.deck(nbformat.v4.new_notebook(cells=cells))
    shown = [(cell.source, cell.metadata["slideshow"]["slide_type"]) for cell in deck.cells]
    assert shown == [
        ("# Title\n\n*Promise.*", "slide"),
        ("## Section\n\n$$ x $$\n\n- **one**\n\n- two", "slide"),
        ("Prose.", "notes"),
        ("## Section", "slide"),
        ("print(2)", "-"),
    ]


def test_an_explorer_becomes_a_live_demo_and_a_figure_after_much_text_gets_its_own_slide():
    picture = nbformat.v4.new_output("display_data", {"image/png": ""})
    explorer = nbformat.v4.new_output(
        "execute_result", {"text/plain": "Explorer at z = [1.00, −2.50]\nnearest by …"}
    )
    long = "\n\n".join(f"**{number}** " + "word " * 30 for number in range(3))
    cells = [
        nbformat.v4.new_markdown_cell(f"## Play\n\n{long}"),
        nbformat.v4.new_code_cell("plot()", outputs=[picture]),
        nbformat.v4.new_code_cell("explorer", outputs=[explorer]),
    ]
    for cell in cells:
        cell.metadata["slideshow"] = {"slide_type": "-"}
    text, heading, figure, demo = slides.deck(nbformat.v4.new_notebook(cells=cells)).cells
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in (text, heading, figure, demo)]
    assert kinds == ["slide", "slide", "-", "slide"]
    assert heading.source == "## Play"
    assert figure.outputs == [picture]
    assert f"{slides.PLAYGROUND}#z=1.00,-2.50" in demo.source


def test_long_text_is_cut_into_slides_and_what_belongs_together_stays():
    assert slides.pages([]) == []
    assert slides.pages(["# A", "**b**"]) == [["# A", "**b**"]]
    long = [f"**{number}** " + "word " * 60 for number in range(6)]
    cut = slides.pages(long)
    assert [block for page in cut for block in page] == long
    assert len(cut) > 1
    assert all(sum(map(slides.lines_of_text, page)) <= slides.LINES for page in cut)
    led = [*long, "it follows that:", "$$ x $$"]
    assert slides.pages(led)[-1][-2:] == led[-2:]


def test_links_to_pages_outside_the_site_become_text():
    kept = "[b](notebooks/00_start_here.ipynb) [c](https://a.b) [d](nowhere) ![e](docs/bench.png)"
    assert without_dead_links(f"[a](LICENSE) {kept}", ROOT) == f"a {kept}"


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(npm, "CACHE", tmp_path / "npm")


def test_without_npm_it_says_what_to_install(empty_cache, monkeypatch):
    monkeypatch.setattr(npm.shutil, "which", lambda _: None)
    with pytest.raises(RuntimeError, match=r"npm was not found.*\nInstall Node.js"):
        npm.javascript()


def test_without_a_network_it_says_so_and_fetches_again_later(empty_cache, monkeypatch):
    calls = []

    def run(command, **_):
        calls.append(command)
        failed = len(calls) == 1
        return subprocess.CompletedProcess(command, int(failed), "", "ENOTFOUND" if failed else "")

    monkeypatch.setattr(npm.shutil, "which", lambda _: "npm")
    monkeypatch.setattr(npm.subprocess, "run", run)
    with pytest.raises(RuntimeError, match=r"(?s)Connect to the network.*ENOTFOUND"):
        npm.javascript()
    assert npm.javascript() == npm.javascript()
    assert len(calls) == 2  # once it is there, npm is left alone


def test_the_packages_are_pinned_with_their_checksums_and_without_a_host():
    text = npm.LISTS[1].read_text(encoding="utf-8")
    assert "http" not in text
    assert "resolved" not in text
    packages = json.loads(text)["packages"]
    wanted = json.loads(npm.LISTS[0].read_text(encoding="utf-8"))["dependencies"]
    for name, version in wanted.items():
        entry = packages[f"node_modules/{name}"]
        assert entry["version"] == version
        assert entry["integrity"].startswith("sha512-")
