"""Options and fixtures shared by several test files."""

import functools
import gzip
import hashlib
import http.server
import os
import sys
import threading

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch is imported; the layers are too small for threads

import hypothesis
import pytest
import torch

from tests.annotations import check_annotations

check_annotations()  # before any import of vae_lib

EXAMPLES = 100  # the default number of bad inputs of each kind


def pytest_addoption(parser):
    parser.addoption("--times", type=int, default=1, help="how often each fault happens")
    parser.addoption("--examples", type=int, default=EXAMPLES, help="of each kind of bad input")


def pytest_configure(config):
    # CI tries the same examples each time; `course.py faults` tries many new ones once a week
    examples = config.getoption("--examples")
    new = examples != EXAMPLES
    hypothesis.settings.register_profile(
        "course",
        deadline=None,
        max_examples=examples // 10 if new else 60,
        derandomize="CI" in os.environ and not new,
    )
    hypothesis.settings.load_profile("course")
    hypothesis.settings.register_profile(
        "fuzz",
        deadline=None,
        max_examples=examples,
        derandomize=not new,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=True,
    )


def pytest_generate_tests(metafunc):
    if "attempt" in metafunc.fixturenames:
        metafunc.parametrize("attempt", range(metafunc.config.getoption("--times")))


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


@pytest.fixture(scope="session")
def playground_models(drawn):
    """The models that the playground uses, by latent size."""
    from vae_course.publish.playground.export import exported

    return {latent_dim: exported(drawn, latent_dim) for latent_dim in (10, 2)}


@pytest.fixture(scope="session")
def playground_folder(drawn, tmp_path_factory):
    """The playground's page, built on drawn garments."""
    from vae_course.publish.playground.build import build

    return build(tmp_path_factory.mktemp("playground") / "page", drawn)


@pytest.fixture(scope="session")
def playground_address(playground_folder):
    """The address of a server of the playground."""
    from vae_course.publish.playground.build import server

    serving = server(playground_folder, port=0)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}/"
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def serve(monkeypatch):
    """Return a function that starts a server and makes it the only mirror."""
    from vae_lib.fashion_mnist import FashionMNIST

    servers = []

    def start(handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mirror(tmp_path, monkeypatch, serve):
    """Start a mirror of the small data set, and return the folder that it serves."""
    from tests.mirror import Quiet, small_archives
    from vae_lib import fashion_mnist
    from vae_lib.fashion_mnist import FashionMNIST

    folder = tmp_path / "mirror"
    folder.mkdir()
    archives = small_archives()
    for name, content in archives.items():
        (folder / name).write_bytes(content)
    digests = {name: hashlib.md5(content).hexdigest() for name, content in archives.items()}
    monkeypatch.setattr(fashion_mnist, "ARCHIVES", digests)
    unpacked = {
        name.removesuffix(".gz"): hashlib.md5(gzip.decompress(content)).hexdigest()
        for name, content in archives.items()
    }
    monkeypatch.setattr(fashion_mnist, "UNPACKED", unpacked)
    monkeypatch.setattr(FashionMNIST, "resources", list(digests.items()))
    serve(functools.partial(Quiet, directory=folder))
    return folder


@pytest.fixture(scope="module")
def chromium():
    """A browser. Without one, tests are skipped with instructions, or fail in CI on Linux."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="python3 course.py test --all")
    from vae_course.quality.browser import HOW_TO_GET_IT, find_chromium, start_chromium

    with sync_api.sync_playwright() as playwright:
        if find_chromium(playwright) is None:
            must_run = os.environ.get("CI") and sys.platform == "linux"
            (pytest.fail if must_run else pytest.skip)(HOW_TO_GET_IT)
        browser = start_chromium(playwright)
        yield browser
        browser.close()


def pytest_terminal_summary(terminalreporter):
    """Print the notes, such as timings, that tests recorded with `record_property("note", …)`."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    for report in reports:
        for name, text in report.user_properties:
            if name == "note" and report.when == "call":
                terminalreporter.write_line(f"\n{report.nodeid}\n{text}")
