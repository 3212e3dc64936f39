"""Processes are killed, disks fill up, networks break: the next start works, nothing is lost.

Each fault happens once here, at a moment that the number of the attempt decides. `python3 course.py
faults` has each happen 20 times.
"""

import contextlib
import functools
import gc
import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fault_jobs import (
    Building,
    Download,
    Drawing,
    Inserting,
    Saving,
    Training,
    rehearse_then_run,
    run_and_tell,
)
from tests.mirror import Quiet
from tests.test_engines import needs_milvus
from vae_lib import fashion_mnist, load_images
from vae_lib.fashion_mnist import FashionMNIST, FetchError, fetch_fashion_mnist

pytestmark = pytest.mark.slow

# a server that has imported everything once, and is copied for each process
CONTEXT = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
if sys.platform == "linux":
    CONTEXT.set_forkserver_preload(["tests.fault_jobs"])
STARTS = 3  # of the same work, each one killed, before the last one


@functools.cache
def training() -> Training:
    return Training().rehearsed()


@pytest.fixture
def download(mirror) -> Download:
    return Download(FashionMNIST.mirrors[0], dict(fashion_mnist.ARCHIVES))


JOBS = ["download", "training", "saving", "building", "drawing"]
INSERTING = pytest.param("inserting", marks=needs_milvus)


@pytest.fixture
def job(request):
    """The job that a test names."""
    if request.param == "download":
        return request.getfixturevalue("download")
    plain = {"saving": Saving, "building": Building, "drawing": Drawing, "inserting": Inserting}
    return training() if request.param == "training" else plain[request.param]()


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    return path


def start(target, *arguments):
    """Start a process; return it, and the end of a pipe that says what it has to say."""
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=target, args=(*arguments, theirs))
    process.start()
    theirs.close()
    return process, ours


def kill_at_random(job, folder: Path, chance: random.Random) -> None:
    """Start a job and kill it at a random moment of its work (or just after its end)."""
    process, pipe = start(rehearse_then_run, job, folder)
    with pipe:
        seconds = pipe.recv()
    time.sleep(chance.uniform(0, seconds))
    process.kill()
    process.join()


@pytest.mark.parametrize("job", [*JOBS, INSERTING], indirect=True)
def test_after_a_kill_the_next_start_works(job, folder, attempt):
    chance = random.Random(attempt)
    for _ in range(STARTS):
        kill_at_random(job, folder, chance)
        job.check(folder)
    job.run(folder)
    job.check_whole(folder)


@pytest.mark.parametrize("job", JOBS, indirect=True)
def test_two_kernels_at_once_and_a_third_that_is_killed(job, folder, attempt):
    chance = random.Random(attempt)
    processes = [start(rehearse_then_run, job, folder) for _ in range(3)]
    seconds = [pipe.recv() for _, pipe in processes]
    time.sleep(chance.uniform(0, max(seconds)))
    processes[0][0].kill()
    for process, pipe in processes:
        process.join()
        pipe.close()
    assert [process.exitcode for process, _ in processes[1:]] == [0, 0]
    job.check_whole(folder)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", path]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root on Linux may mount a small disk")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def fill(path: Path, leave: int) -> None:
    """Fill the rest of the disk that `path` will lie on, but for some bytes."""
    with path.open("wb") as file:
        file.write(bytes(max(0, os.statvfs(path.parent).f_bavail * 4096 - leave)))


def sizes(job, folder: Path) -> list[int]:
    """Return the sizes of the files that an undisturbed run leaves."""
    folder.mkdir()
    job.run(folder)
    return [path.stat().st_size for path in folder.rglob("*") if path.is_file()]


def run_short_of_space(job, folder: Path, largest_file: int | None = None) -> None:
    """Run a job for which there is not enough space: it ends with an error that says so."""
    report = run_in_process(job, folder, largest_file)
    assert report is not None or isinstance(job, Inserting), "it needs less space than it takes"
    if report is not None:
        is_expected, text = report
        assert is_expected, text
        assert "No space left" in text or "File too large" in text, text


def run_in_process(job, folder: Path, largest_file: int | None = None):
    """Run a job in a process of its own; return None, or whether its error is expected, and it."""
    process, pipe = start(run_and_tell, job, folder, largest_file)
    with pipe:
        report = pipe.recv()
    process.join()
    return report


@pytest.mark.parametrize("job", [*JOBS, INSERTING], indirect=True)
def test_a_full_disk_is_reported_and_nothing_is_lost(job, small_disk, tmp_path, attempt):
    folder = small_disk / "folder"
    folder.mkdir()
    needed = sum(sizes(job, tmp_path / "undisturbed"))
    fill(small_disk / "others", leave=random.Random(attempt).randrange(needed))
    run_short_of_space(job, folder)
    (small_disk / "others").unlink()
    job.check(folder)
    job.run(folder)
    job.check_whole(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("job", JOBS, indirect=True)
def test_a_file_size_limit_is_reported_and_nothing_is_lost(job, folder, tmp_path, attempt):
    largest = max(sizes(job, tmp_path / "undisturbed"))
    run_short_of_space(job, folder, random.Random(attempt).randrange(largest))
    job.check(folder)
    job.run(folder)
    job.check_whole(folder)


def test_a_read_only_disk_is_read_and_the_rest_goes_elsewhere(download, small_disk, tmp_path):
    home = tmp_path / "home"
    (small_disk / "FashionMNIST").mkdir()
    remount = ["mount", "-o", "remount,ro", small_disk]
    subprocess.run(remount, check=True)
    train, _ = fetch_fashion_mnist(small_disk, home)
    assert len(train) == 20
    assert list(small_disk.rglob("*")) == [small_disk / "FashionMNIST"]
    with pytest.raises(OSError, match="Read-only"):
        Saving().run(small_disk)
    with pytest.raises(FetchError, match="Read-only"):
        fetch_fashion_mnist(small_disk, small_disk)


TROUBLE = ["cut", "hangs", "page", "garbage", "error"]


class Broken(Quiet):
    """A mirror with trouble in one archive, from one byte on."""

    trouble, archive, position = "", "", 0

    def do_GET(self):
        if not self.path.endswith(self.archive):
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        position = int(self.position * len(content))
        if self.trouble == "error":
            self.send_error(503)
            return
        if self.trouble == "page":
            content = b"<html>Welcome! Please log in.</html>"
        if self.trouble == "garbage":
            content = content[:position] + bytes(len(content) - position)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.trouble in ("cut", "hangs"):
            self.wfile.write(content[:position])
            if self.trouble == "hangs":
                self.connection.settimeout(60)
                with contextlib.suppress(OSError):
                    self.rfile.read(1)  # until the other side gives up
            self.close_connection = True
            return
        self.wfile.write(content)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_network_failure_is_reported_and_a_later_attempt_works(
    trouble, mirror, serve, monkeypatch, tmp_path, attempt, capsys
):
    chance = random.Random(attempt)
    sound = FashionMNIST.mirrors
    facts = {
        "trouble": trouble,
        "archive": chance.choice(sorted(fashion_mnist.ARCHIVES)),
        "position": chance.random(),
    }
    serve(functools.partial(type("Handler", (Broken,), facts), directory=mirror))
    monkeypatch.setattr(fashion_mnist, "TIMEOUT", 1.0)
    root = tmp_path / "data"
    assert load_images("auto", root=root).name == "drawn"
    assert "Fashion-MNIST is not available" in capsys.readouterr().out
    with pytest.raises(FetchError):
        load_images("fashion-mnist", root=root)
    gc.collect()  # torchvision leaves an answer open that it does not like
    job = Download(sound[0], dict(fashion_mnist.ARCHIVES))
    job.run(root)
    job.check_whole(root)


@needs_milvus
def test_a_database_that_another_process_has_open_is_reported(folder, attempt):
    with Inserting().open(folder):
        is_expected, text = run_in_process(Inserting(), folder)
    assert is_expected
    assert "A file serves one process at a time" in text
    Inserting().run(folder)
    Inserting().check_whole(folder)
