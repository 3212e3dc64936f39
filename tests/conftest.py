"""Fixtures that several tests share."""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: the layers here are small

import hypothesis
import pytest
import torch

hypothesis.settings.register_profile("course", deadline=None, max_examples=60)
hypothesis.settings.load_profile("course")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def drawn():
    from vae_lib import load_images

    return load_images("drawn")


@pytest.fixture(scope="session")
def vae():
    from vae_lib import load_pretrained

    return load_pretrained("drawn", latent_dim=10)


@pytest.fixture(scope="session")
def index(vae, drawn):
    from vae_lib import PosteriorIndex, encode_dataset

    return PosteriorIndex(encode_dataset(vae, drawn.train_images))


@pytest.fixture(scope="module")
def chromium():
    """A browser; without one, tests skip and say how to get it; in CI, on Linux, they fail."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="python3 course.py test --all")
    from tools.browser import HOW_TO_GET_IT, find_chromium, start_chromium

    with sync_api.sync_playwright() as playwright:
        if find_chromium(playwright) is None:
            must_run = os.environ.get("CI") and sys.platform == "linux"
            (pytest.fail if must_run else pytest.skip)(HOW_TO_GET_IT)
        browser = start_chromium(playwright)
        yield browser
        browser.close()


def pytest_terminal_summary(terminalreporter):
    """Print the notes that tests took with `record_property("note", ...)`, timings for example."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    for report in reports:
        for name, text in report.user_properties:
            if name == "note" and report.when == "call":
                terminalreporter.write_line(f"\n{report.nodeid}\n{text}")
