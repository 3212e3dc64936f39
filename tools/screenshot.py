"""`course.py screenshot`: run notebook 00 in JupyterLab and photograph the explorer.

The picture in the README is made so, on drawn garments. Needs Chromium (Debian: apt install
chromium) or a browser that Playwright installed.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tools.kernel import quiet_kernel

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "explorer.png"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SECONDS = 1000  # Playwright counts in milliseconds


def start_lab(log: Path) -> tuple[subprocess.Popen, str]:
    """Start JupyterLab through `tools.lab`; return it with the address of a notebook in it."""
    command = [sys.executable, "-m", "tools.lab", "--no-browser", "--port=0"]
    with log.open("w") as file:
        lab = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, start_new_session=True)
    for _ in range(600):
        found = re.search(r"(http://127\.0\.0\.1:\d+)/lab\S*token=(\w+)", log.read_text())
        if found:
            return lab, f"{found[1]}/lab/tree/notebooks/{{}}?token={found[2]}&reset"
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab printed no address: {log.read_text()}")


def run_notebook(page: Page, address: str) -> None:
    """Open a notebook in JupyterLab and run all its cells."""
    page.goto(address)
    # running before the kernel is there would clear the outputs and run nothing
    page.wait_for_selector("text=Python 3 (ipykernel) | Idle", timeout=90 * SECONDS)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py screenshot", description=__doc__)
    parser.add_argument("--to", type=Path, default=PICTURE, help="where to put the picture")
    target = parser.parse_args(arguments).to
    quiet_kernel()
    os.environ["VAE_LIB_IMAGES"] = "drawn"
    with tempfile.TemporaryDirectory() as settings:
        os.environ["JUPYTERLAB_SETTINGS_DIR"] = os.environ["JUPYTERLAB_WORKSPACES_DIR"] = settings
        lab, address = start_lab(Path(settings) / "log")
        try:
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=FLAGS
                )
                page = chromium.new_page(
                    viewport={"width": 1280, "height": 1600}, device_scale_factor=1.5
                )
                run_notebook(page, address.format("00_start_here.ipynb"))
                explorer = page.locator(".vae-explorer")
                explorer.wait_for(timeout=120 * SECONDS)
                # the cells below the explorer move its sliders; wait until they are through
                explorer.get_by_text("This z is far").wait_for(timeout=60 * SECONDS)
                explorer.get_by_role("button", name="A garment's z").click()
                explorer.get_by_text("This z is near").wait_for(timeout=60 * SECONDS)
                target.parent.mkdir(parents=True, exist_ok=True)
                explorer.screenshot(path=target)
                chromium.close()
        finally:
            os.killpg(lab.pid, signal.SIGTERM)  # the server and its kernels
            lab.wait()
    print(f"stored as {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
