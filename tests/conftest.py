"""Fixtures that several tests share."""

import os

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


def pytest_terminal_summary(terminalreporter):
    """Print the notes that tests took with `record_property("note", ...)`, timings for example."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    for report in reports:
        for name, text in report.user_properties:
            if name == "note" and report.when == "call":
                terminalreporter.write_line(f"\n{report.nodeid}\n{text}")
