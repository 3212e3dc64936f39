"""`course.py screenshot`: run notebook 00 in JupyterLab and take a screenshot of the explorer.

It is the picture in the README, on drawn garments. The command needs Chromium (Debian: apt install
chromium) or a browser that Playwright installed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from vae_course import ROOT
from vae_course.commands.jupyter import prepare_kernels
from vae_course.quality.browser import SECONDS, run_notebook, serve, start_chromium

PICTURE = ROOT / "docs" / "explorer.png"
NOTEBOOK = "00_start_here.ipynb"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py screenshot", description=__doc__)
    parser.add_argument("--to", type=Path, default=PICTURE, help="where to put the picture")
    target = parser.parse_args(arguments).to
    prepare_kernels()
    with tempfile.TemporaryDirectory() as root, sync_playwright() as playwright:
        # a copy, since JupyterLab saves what it shows
        (Path(root) / NOTEBOOK).write_bytes((ROOT / "notebooks" / NOTEBOOK).read_bytes())
        chromium = start_chromium(playwright)
        lab = serve("lab", f"--ServerApp.root_dir={root}", VAE_LIB_IMAGES="drawn")
        with lab as (address, token):
            page = chromium.new_page(
                viewport={"width": 1280, "height": 1600}, device_scale_factor=1.5
            )
            run_notebook(page, address, token, NOTEBOOK)
            explorer = page.locator(".vae-explorer")
            explorer.wait_for(timeout=120 * SECONDS)
            # wait for the cells below the explorer, which move its sliders
            explorer.get_by_text("No garment of this wardrobe").wait_for(timeout=60 * SECONDS)
            explorer.get_by_label("garment").fill("11")
            explorer.get_by_label("garment").press("Enter")
            explorer.get_by_text("A garment of this wardrobe").wait_for(timeout=60 * SECONDS)
            explorer.get_by_role("button", name="From a posterior").click()
            explorer.get_by_text("Drawn from q(z|x)").wait_for(timeout=60 * SECONDS)
            page.wait_for_timeout(SECONDS)  # the rows follow the picture
            # shows μ ± σ on the sliders, where a mouse would also enlarge the picture
            explorer.locator(".vae-item").nth(5).focus()
            target.parent.mkdir(parents=True, exist_ok=True)
            explorer.screenshot(path=target)
        chromium.close()
    print(f"stored as {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
