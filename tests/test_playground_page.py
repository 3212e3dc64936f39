"""The playground's page as a person meets it: in Chromium, by mouse, keyboard, finger and link."""

import io
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from PIL import Image

from vae_course import ROOT
from vae_lib import gated_search, roundtrip
from vae_lib.pictures import as_garment

pytest.importorskip("playwright.sync_api", reason="python3 course.py test --all")
axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

from vae_course.quality.browser import SECONDS, Watch  # noqa: E402

pytestmark = pytest.mark.slow

PAGE = ROOT / "vae_course" / "publish" / "playground" / "page"
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
LOADED = "html[data-loaded=true]"
TYPESCRIPT = "typescript@7.0.2"
Z = [0.6, -1.55, -0.35, 1.85, -0.75, -0.6, -0.15, 0.2, 1.4, 1.6]
SHIFTS = """
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) window.shifted = (window.shifted ?? 0) + shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""
# from a pointer's event to the end of the frame that shows it, again and again
LATENCY = """
async ({ id, steps }) => {
  const slider = document.querySelector(`input[aria-label="${id}"]`);
  const times = [];
  for (let i = 0; i < steps; i++) {
    slider.value = String(-3 + 6 * i / steps);
    const start = performance.now();
    slider.dispatchEvent(new Event("input"));
    document.body.offsetHeight; // lay out what has changed
    times.push(performance.now() - start);
    await new Promise(requestAnimationFrame);
  }
  return times.sort((a, b) => a - b)[steps >> 1];
}
"""


@pytest.fixture(scope="module")
def address(playground_address):
    return playground_address


def open_page(chromium, address, hash="", **options):
    page = chromium.new_page(**{"viewport": WIDE, **options})
    page.watch = Watch(page, address)
    page.add_init_script(SHIFTS)
    page.goto(address + hash)
    page.wait_for_selector(LOADED, timeout=20 * SECONDS)
    return page


@pytest.fixture(scope="module")
def shared_page(chromium, address):
    page = open_page(chromium, address)
    yield page
    page.close()


@pytest.fixture
def page(shared_page):
    """The page at Z, with its first rules."""
    shared_page.set_viewport_size(WIDE)
    visit(shared_page, link(Z))
    return shared_page


@pytest.fixture(scope="module")
def model(playground_models):
    return playground_models[10]


def link(z, rows="likelihood,euclidean", view="sliders"):
    return f"#view={view}&z={','.join(map(str, z))}&rows={rows}"


def visit(page, hash: str) -> None:
    """Follow a link within the page, and wait until it is shown."""
    page.evaluate("hash => { location.hash = hash }", hash)
    z = ",".join(f"{float(part):g}" for part in re.search(r"z=([^&]*)", hash)[1].split(","))
    page.locator(f'#picture[data-z="{z}"]').wait_for()


def shown_z(page) -> list[float]:
    """Return the z that the picture was decoded from."""
    return [float(part) for part in page.locator("#picture").get_attribute("data-z").split(",")]


def row(page, which: int) -> list[int]:
    """Return the garments of a row."""
    labels = page.locator(f"#row-{which} .tile").evaluate_all(
        "tiles => tiles.map((tile) => tile.getAttribute('aria-label'))"
    )
    return [int(re.search(r"garment (\d+)", label)[1]) for label in labels]


def pixels(page, canvas: str) -> np.ndarray:
    """Return the bytes of a canvas of 28×28 pixels."""
    script = """canvas => Array.from(canvas.getContext("2d")
      .getImageData(0, 0, 28, 28).data.filter((_, i) => i % 4 === 0))"""
    return np.array(page.locator(canvas).evaluate(script), np.float64).reshape(28, 28)


def assert_truthful(page, model, rules=("likelihood", "euclidean")) -> None:
    """Compare picture, rows and badge with what the library says of z."""
    z = torch.tensor(shown_z(page), dtype=torch.float64)
    picture = 255 * model.vae.decode(z[None].float())[0, 0].detach().numpy()
    assert np.abs(pixels(page, "#picture") - picture).max() <= 1
    rows = []
    for which, rule in enumerate(rules):
        if rule == "gate":
            expected = gated_search(model.vae, model.index, z)
        elif rule == "round trip":
            expected = model.index.search(roundtrip(model.vae, z)[0])
        else:
            expected = model.index.search(z, rule=rule)
        rows.append(expected.indices.tolist())
        assert row(page, which) == rows[-1], rule
    word = page.locator("#badge-word").inner_text()
    assert word == ("Near." if model.index.is_familiar(z).item() else "Far.")
    common = [garment for garment in rows[0] if garment in rows[1]]
    assert f"{len(common)} of 10 in both rows" in page.locator("#row-1").inner_text()
    places = page.locator("#row-1 .tile.both .place").all_inner_texts()
    assert places == [str(rows[0].index(garment) + 1) for garment in rows[1] if garment in common]


def slider(page, j: int):
    return page.get_by_role("slider", name=f"z{j + 1}", exact=True)


def test_keys_move_a_slider_and_picture_and_rows_follow(page, model):
    before = pixels(page, "#picture"), row(page, 0)
    slider(page, 8).focus()
    z = list(Z)
    for key, value in [("ArrowRight", 1.45), ("ArrowUp", 1.5), ("Home", -5.0), ("ArrowLeft", -5.0)]:
        page.keyboard.press(key)
        z[8] = value
        assert shown_z(page) == z
        assert_truthful(page, model)
    assert np.abs(pixels(page, "#picture") - before[0]).max() > 25
    assert row(page, 0) != before[1]


def test_the_mouse_drags_a_slider(page, model):
    slider(page, 9).scroll_into_view_if_needed()
    box = slider(page, 9).bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.66, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, middle, steps=8)
    page.mouse.up()
    z = shown_z(page)
    assert z[:9] == Z[:9]
    assert z[9] == pytest.approx(-2, abs=0.3)
    assert_truthful(page, model)
    page.get_by_role("button", name="Undo").click()
    assert shown_z(page) == Z  # the drag was one move


def test_a_number_is_typed_and_junk_is_refused(page, model):
    box = page.get_by_label("z1 as a number")
    box.fill("7,25")
    box.press("Enter")
    assert shown_z(page) == [7.25, *Z[1:]]
    assert "outside" in page.locator(".slider", has=box).get_attribute("class")
    assert_truthful(page, model)
    box.fill("seven")
    box.press("Enter")
    assert box.get_attribute("aria-invalid") is not None
    assert shown_z(page) == [7.25, *Z[1:]]


@pytest.mark.parametrize("rule", ["scaled-euclidean", "mahalanobis", "round trip", "gate"])
def test_each_row_ranks_by_the_rule_that_is_chosen(page, model, rule):
    page.get_by_label("Rule of the lower row").select_option(rule)
    assert_truthful(page, model, ("likelihood", rule))
    visit(page, link([4.0, -4.0, 4.0, *Z[3:]], f"likelihood,{rule}"))
    assert_truthful(page, model, ("likelihood", rule))


def test_a_click_on_a_garment_goes_to_its_z_and_undo_comes_back(page, model):
    garment = row(page, 1)[4]
    page.locator("#row-1 .tile").nth(4).click()
    z = shown_z(page)
    assert z == pytest.approx(model.index.posteriors.mean[garment].tolist(), abs=6e-5)
    assert row(page, 1)[0] == garment
    assert_truthful(page, model)
    page.keyboard.press("Control+z")
    assert shown_z(page) == Z


def test_pointing_at_a_garment_explains_it(page, model):
    """The table's shares make up the scores, and the bands on the sliders show μ ± σ."""
    garment = row(page, 1)[3]
    page.locator("#row-1 .tile").nth(3).hover()
    assert page.locator("#why b").inner_text().endswith(str(garment))
    totals = page.locator("#why tfoot tr").first.locator("td").all_inner_texts()[1:]
    values = [float(total.replace("−", "-")) for total in totals]
    posteriors = model.index.posteriors
    log_q = posteriors.log_prob(Z)[0, garment].item()
    squared = (torch.tensor(Z) - posteriors.mean[garment]).square().sum().item()
    assert values == [pytest.approx(log_q, abs=0.051), pytest.approx(squared, abs=0.0051)]
    place = (model.index.scores(Z)[0] > log_q).sum().item() + 1
    assert page.locator("#why tfoot tr").last.locator("td").nth(1).inner_text() == f"{place:,}"
    band = page.locator(".slider", has=slider(page, 2)).locator(".band-1")
    left, width = (float(band.evaluate(f"e => e.style.{s}")[:-1]) for s in ("left", "width"))
    mean, std = posteriors.mean[garment, 2].item(), posteriors.std[garment, 2].item()
    assert left == pytest.approx(10 * (mean - std + 5), abs=0.01)
    assert width == pytest.approx(20 * std, abs=0.01)
    page.get_by_role("button", name="Hold").click()
    slider(page, 0).focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#why b").inner_text().endswith(str(garment))
    page.keyboard.press("Escape")
    assert page.locator("#why b").inner_text().endswith(str(row(page, 0)[0]))


def test_buttons_move_z(page, model):
    for name in ("Random z", "A garment’s z", "Round trip", "Far but certain", "The origin"):
        before = shown_z(page)
        page.get_by_role("button", name=name, exact=True).click()
        assert shown_z(page) != before, name
        assert_truthful(page, model)


def test_a_walk_leads_from_a_to_b_and_can_be_paused(page, model):
    page.get_by_role("tab", name="Compare and walk").click()
    page.get_by_label("How far from A to B").fill("1")
    end = shown_z(page)
    page.get_by_label("How far from A to B").fill("0")
    begin = shown_z(page)
    ends = [model.index.posteriors.mean[n].tolist() for n in (first_of(page, 0), first_of(page, 1))]
    assert [begin, end] == [pytest.approx(mean, abs=6e-5) for mean in ends]
    page.get_by_role("button", name="Walk from A to B").click()
    page.wait_for_timeout(700)
    page.get_by_role("button", name="Pause").click()
    share = float(page.get_by_label("How far from A to B").input_value())
    assert 0 < share < 1
    middle = np.add(np.multiply(begin, 1 - share), np.multiply(end, share))
    assert shown_z(page) == pytest.approx(middle.tolist(), abs=0.05)
    assert_truthful(page, model)
    visit(page, link(Z))
    page.get_by_role("button", name="Pin z as B").click()
    page.get_by_role("button", name="Go to A").click()
    assert shown_z(page) == begin
    page.get_by_role("button", name="Go to B").click()
    assert shown_z(page) == Z


def first_of(page, end: int) -> int:
    """Return the garment that the walk begins or ends with."""
    return int(re.search(r" (\d+),", page.locator(".end").nth(end).inner_text())[1])


def test_the_map_is_dragged_and_names_the_winners(page, playground_models):
    flat = playground_models[2]
    visit(page, link([0.5, -1], view="map"))
    page.locator("html[data-view=map]").wait_for()
    assert_truthful(page, flat)
    marks = page.locator(".marks")
    marks.scroll_into_view_if_needed()
    box = marks.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"], steps=5)
    page.mouse.up()
    z = shown_z(page)
    assert z == pytest.approx([2.25, 2.25], abs=0.05)
    assert_truthful(page, flat)
    for which, rule in enumerate(("likelihood", "euclidean")):
        winner = flat.index.search(z, 1, rule).indices.item()
        assert page.locator("#map-reading .under").nth(which).inner_text().endswith(f" {winner}")
    page.get_by_role("button", name="Undo").click()
    assert shown_z(page) == [0.5, -1]
    page.locator(".colors[width='128']").wait_for(timeout=60 * SECONDS)
    page.get_by_label("Rule of the lower row").select_option("gate")
    page.get_by_text("by log likelihood without a round trip").wait_for()


def test_an_uploaded_picture_is_prepared_as_the_library_does(page, model):
    generator = np.random.default_rng(0)
    photo = np.full((400, 300, 3), 235, np.uint8)
    photo[60:330, 70:240] = (40, 60, 140)
    photo[120:200, 90:220] = generator.integers(0, 90, (80, 130, 3))
    picture = Image.fromarray(photo)
    file = io.BytesIO()
    picture.save(file, "PNG")
    upload = {"name": "shirt.png", "mimeType": "image/png", "buffer": file.getvalue()}
    page.get_by_role("tab", name="Your own picture").click()
    page.get_by_label("Upload a picture").set_input_files(upload)
    go = page.get_by_role("button", name="Go to its μ")
    page.wait_for_function("() => document.querySelector('#panel-own button:disabled') === null")
    expected = as_garment(picture)
    prepared = pixels(page, ".encoded canvas >> nth=0")
    assert np.abs(prepared - expected[0].numpy()).max() <= 2
    q = model.vae.encode(torch.from_numpy(prepared / 255).float()[None, None])
    go.click()
    assert shown_z(page) == pytest.approx(q.mean[0].tolist(), abs=1e-3)
    page.get_by_role("button", name="Sample 100").click()
    assert page.locator(".slider .cloud").first.locator("i").count() == 100
    page.get_by_role("button", name="Sample one z").click()
    distance = (torch.tensor(shown_z(page)) - q.mean[0]) / q.stddev[0]
    assert 0 < distance.square().sum() < 45  # χ² with 10 degrees of freedom
    page.get_by_role("button", name="Remove").click()
    assert go.is_disabled()
    text = {"name": "no.png", "mimeType": "image/png", "buffer": b"this is text"}
    page.get_by_label("Upload a picture").set_input_files(text)
    page.get_by_text("not a picture that the browser can read").wait_for()


def test_a_garment_is_drawn_with_the_mouse(page):
    page.get_by_role("tab", name="Your own picture").click()
    sheet = page.locator(".sheet")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 180, steps=6)
    page.mouse.up()
    drawn = pixels(page, ".encoded canvas >> nth=0")
    assert drawn[14, 14] == 255  # the stroke passes through the middle
    assert drawn[2, 25] == 0
    page.get_by_role("button", name="Remove").click()


def test_a_challenge_can_only_be_met_by_hand(chromium, address):
    page = open_page(chromium, address)
    page.get_by_role("tab", name="Challenges").click()
    visit(page, link([4.9, -4.9, 4.9, -4.9, 4.9, -4.9, 4.9, -4.9, 4.9, -4.9]))
    done = page.locator(".challenges .done")
    assert done.count() == 0
    assert "0 of 10" in page.locator("#row-1").inner_text()
    slider(page, 0).focus()
    page.keyboard.press("ArrowRight")
    assert done.count() == 1
    assert "share no garment" in done.inner_text()
    page.close()


def test_a_tour_is_made_and_taken(page, chromium, address):
    page.get_by_role("tab", name="Link and tour").click()
    page.get_by_label("Title of the stop").fill("Here")
    page.get_by_role("button", name="Add this z to the tour").click()
    page.get_by_role("button", name="The origin", exact=True).click()
    page.get_by_label("Title of the stop").fill("The middle; & more")
    page.get_by_role("button", name="Add this z to the tour").click()
    page.get_by_role("button", name="Copy the link to the tour").click()
    page.wait_for_function("() => document.querySelector('#panel-share > input').value !== ''")
    tour = page.get_by_label("The link").input_value()
    for remove in reversed(page.get_by_role("button", name="Remove stop").all()):
        remove.click()
    visitor = open_page(chromium, address, tour.removeprefix(address))
    assert visitor.locator("#tour-text").inner_text() == "1 of 2: Here"
    assert shown_z(visitor) == Z
    visitor.get_by_role("button", name="The next stop").click()
    assert visitor.locator("#tour-text").inner_text() == "2 of 2: The middle, & more"
    assert shown_z(visitor) == [0.0] * 10
    visitor.wait_for_timeout(500)  # the address follows when z has stood still
    visitor.reload()
    visitor.wait_for_selector(LOADED)
    assert visitor.locator("#tour-text").inner_text().startswith("2 of 2")
    visitor.get_by_role("button", name="End the tour").click()
    assert not visitor.locator("#tour").is_visible()
    visitor.close()


def test_the_first_tap_explains_a_garment_and_the_second_goes_to_its_z(chromium, address, model):
    page = open_page(chromium, address, link(Z), viewport=PHONE, has_touch=True, is_mobile=True)
    garment = row(page, 1)[2]
    tile = page.locator("#row-1 .tile").nth(2)
    tile.tap()
    assert page.locator("#why b").inner_text().endswith(str(garment))
    assert shown_z(page) == Z
    tile.tap()
    assert shown_z(page) != Z
    assert row(page, 1)[0] == garment
    assert_truthful(page, model)
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault(chromium, address, theme):
    page = open_page(chromium, address, color_scheme=theme, reduced_motion="reduce")
    assert page.locator("html").get_attribute("data-theme") == theme
    page.mouse.move(0, 0)
    found = faults(page)
    visit(page, link([3, 3], view="map"))
    found += faults(page, "main")
    for tab in page.get_by_role("tab").all():
        tab.click()
        found += faults(page, ".more")
    assert not found, found
    page.close()


def faults(page, part: str | None = None) -> list[tuple[str, str, str]]:
    """Return what axe-core finds in a part of the page, or in all of it."""
    results = axe_playwright.Axe().run(page, context=part)
    return [
        (violation["id"], node["html"][:200], node["failureSummary"])
        for violation in results.response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("view", ["sliders", "map"])
def test_nothing_scrolls_sideways_and_a_laptop_shows_it_all(page, view):
    z = Z if view == "sliders" else Z[:2]
    visit(page, link(z, view=view))
    for width in (360, 390, 640, 800, 1000, 1280, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        for tab in page.get_by_role("tab").all():
            tab.click()
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (width, tab.inner_text())
        track = slider(page, 0).bounding_box()
        assert track["width"] >= 120, width
    page.set_viewport_size(WIDE)
    rows = page.locator(".rows").bounding_box()
    assert rows["y"] + rows["height"] <= WIDE["height"]


def test_no_request_left_this_machine_and_the_console_has_no_error(page):
    assert page.watch.elsewhere == []
    assert page.watch.complaints == []


def test_the_first_picture_is_there_before_the_garments_and_nothing_shifts(chromium, address):
    page = chromium.new_page(viewport=WIDE)
    page.add_init_script(SHIFTS)
    held = []
    page.route("**/*.webp", lambda route: held.append(route))
    with page.expect_request("**/*.webp"):  # held, so no garment can have arrived
        page.goto(address)
    page.wait_for_function("() => document.querySelector('.tile')?.getAttribute('aria-label')")
    assert pixels(page, "#picture").max() > 100
    assert page.locator(LOADED).count() == 0
    for route in held:
        route.continue_()
    page.unroute("**/*.webp")
    page.wait_for_selector(LOADED)
    page.wait_for_timeout(300)
    assert page.evaluate("window.shifted ?? 0") < 0.01
    page.close()


def test_a_file_that_is_missing_is_named(chromium, address):
    page = chromium.new_page(viewport=WIDE, service_workers="block")
    page.route("**/decoder-10.bin", lambda route: route.fulfill(status=404))
    page.goto(address)
    page.get_by_text("The page could not load its data.").wait_for()
    assert "decoder-10.bin: the server says 404" in page.locator("#badge").inner_text()
    page.close()


def test_it_works_offline_once_it_has_been_loaded(chromium, address, model):
    page = open_page(chromium, address)
    page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    page.context.set_offline(True)
    page.goto(address + "?again" + link(Z))
    page.wait_for_selector(LOADED)
    assert_truthful(page, model)
    page.context.set_offline(False)
    page.close()


def test_the_time_of_a_move_is_reported(chromium, address, record_property):
    page = chromium.new_page(viewport=WIDE)
    page.goto(address)
    page.wait_for_selector(LOADED)
    first = page.evaluate("performance.getEntriesByName('first picture')[0].startTime")
    median = page.evaluate(LATENCY, {"id": "z1", "steps": 60})
    transferred = page.evaluate(
        """() => [...performance.getEntriesByType("navigation"),
          ...performance.getEntriesByType("resource")]
          .reduce((sum, { transferSize }) => sum + transferSize, 0)"""
    )
    record_property(
        "note",
        f"first picture after {first:.0f} ms, everything with {transferred / 1e6:.2f} MB; "
        f"from a slider's event to picture and rows {median:.1f} ms (median of 60)",
    )
    assert transferred <= 8e6
    page.close()


def test_its_types_are_sound():
    if shutil.which("npx") is None:
        pytest.skip("npx was not found; Node.js brings it, and it checks the types")
    command = ["npx", "--yes", "--package", TYPESCRIPT, "tsc", "--project", str(PAGE)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if "error TS" not in result.stdout and result.returncode != 0:
        pytest.skip(f"npx could not fetch {TYPESCRIPT}: {result.stderr[-200:]}")
    assert result.returncode == 0, result.stdout
