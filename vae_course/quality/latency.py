"""Measure the time from a key press on a slider to the new picture in the page.

The explorer is compared with a bare slider that shows a ready PNG file in an Image widget. Both are
in one page and take turns, so that a busy machine slows both. Run it with
`.venv/bin/python -m vae_course.quality.latency`.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import nbformat
from playwright.sync_api import Page, sync_playwright

from vae_course.commands.jupyter import prepare_kernels
from vae_course.quality.browser import SECONDS, run_notebook, serve, start_chromium

NOTEBOOK = "latency.ipynb"
PRESSES = 40  # key presses measured on each slider, after
WARM_UP = 5  # that are not
# 60,000 garments without Fashion-MNIST: six slightly different copies of the drawn ones
CODE = """\
import dataclasses
import ipywidgets
import torch
from vae_lib import Explorer, PosteriorIndex, encode_dataset, load_images, load_pretrained
from vae_lib.explorer.thumbnails import picture_png

images, vae = load_images("drawn"), load_pretrained("drawn")
q = encode_dataset(vae, images.train_images)
mean, std = q.mean.repeat(6, 1), q.std.repeat(6, 1)
mean += 0.01 * torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
images = dataclasses.replace(
    images,
    train_images=images.train_images.repeat(6, 1, 1, 1),
    train_labels=images.train_labels.repeat(6),
)
explorer = Explorer(vae, PosteriorIndex(mean=mean, std=std), images)

slider = ipywidgets.FloatSlider(min=-5, max=5, step=0.05, readout=False)
ready = [picture_png(garment) for garment in images.train_images[:2]]
echo = ipywidgets.Image(value=ready[0], format="png")

def show(change):
    echo.value = ready[round(change["new"] / slider.step) % 2]

slider.observe(show, names="value")
ipywidgets.VBox([ipywidgets.HBox([slider, echo]).add_class("bare"), explorer])
"""
# a promise of two times in milliseconds, from the key press until the picture is decoded, and until
# the element selected by `last` has changed too
TIMER = """([picture, last]) => {
  const changed = (node, options) => new Promise((resolve) =>
    new MutationObserver((_, observer) => (observer.disconnect(), resolve())).observe(node, options)
  );
  const image = document.querySelector(picture);
  const pressed = new Promise((resolve) =>
    addEventListener("keydown", (event) => resolve(event.timeStamp), {capture: true, once: true})
  );
  const shown = changed(image, {attributes: true, attributeFilter: ["src"]})
    .then(() => image.decode()).then(() => performance.now());
  const rows = last && changed(document.querySelector(last), {childList: true});
  const all = Promise.all([shown, rows]).then(() => performance.now());
  window.timed = Promise.all([pressed, shown, all]).then(([t0, t1, t2]) => [t1 - t0, t2 - t0]);
}"""
# selectors of the slider, of the picture that follows it, and of the element that changes last
BARE = (".bare [role=slider]", ".bare img", None)
EXPLORER = (
    ".vae-explorer [role=slider] >> nth=0",
    "img.vae-picture",
    ".vae-reading .widget-html-content",
)


def write_notebook(folder: Path) -> None:
    """Write the notebook with both sliders in one page."""
    cell = nbformat.v4.new_code_cell(CODE)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / NOTEBOOK)


def press(page: Page, where: tuple[str, str, str | None], key: str) -> list[float]:
    """Press a key on a slider; return the milliseconds to the picture and to the last change."""
    slider, picture, last = where
    page.locator(slider).focus()
    page.evaluate(TIMER, [picture, last])
    page.keyboard.press(key)
    times = page.evaluate("window.timed")
    page.wait_for_timeout(30)  # for later changes, such as the alt text
    return times


def measure(page: Page) -> dict[str, list[float]]:
    """Press keys on both sliders in turn; return lists of milliseconds by name."""
    times: dict[str, list[float]] = {"bare": [], "picture": [], "rows": []}
    for count in range(WARM_UP + PRESSES):
        key = "ArrowRight" if count % 20 < 10 else "ArrowLeft"
        bare, _ = press(page, BARE, key)
        picture, rows = press(page, EXPLORER, key)
        if count >= WARM_UP:
            for name, value in (("bare", bare), ("picture", picture), ("rows", rows)):
                times[name].append(value)
    return times


def report(times: dict[str, list[float]]) -> str:
    """Return medians, 95th percentiles and their ratios to the bare slider, as a table."""
    names = {"bare": "bare slider", "picture": "explorer, picture", "rows": "explorer, all rows"}
    lines = ["key press to page, ms   median     95 %   median / bare"]
    for kind, name in names.items():
        median, p95 = statistics.median(times[kind]), statistics.quantiles(times[kind], n=20)[-1]
        lines.append(f"{name:<22}  {median:6.1f}   {p95:6.1f}   {ratio(times, kind):13.2f}")
    return "\n".join(lines)


def ratio(times: dict[str, list[float]], kind: str = "picture") -> float:
    """Return the median of one kind over that of the bare slider."""
    return statistics.median(times[kind]) / statistics.median(times["bare"])


def main() -> int:
    prepare_kernels()
    with tempfile.TemporaryDirectory() as root, sync_playwright() as playwright:
        write_notebook(Path(root))
        with serve("lab", f"--ServerApp.root_dir={root}") as (address, token):
            chromium = start_chromium(playwright)
            page = chromium.new_page(viewport={"width": 1280, "height": 800})
            run_notebook(page, address, token, NOTEBOOK)
            page.locator(".vae-explorer").wait_for(timeout=120 * SECONDS)
            print(report(measure(page)))
            chromium.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
