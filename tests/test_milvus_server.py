"""Search in a real Milvus server: filled, killed, started again, and opened by another process."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from vae_course.measured import resampled
from vae_course.quality import milvus_server
from vae_course.quality.milvus_server import ISOLATED, PATIENCE, TOKEN, URI
from vae_lib import PosteriorIndex, Posteriors
from vae_lib.engines import MilvusIndex
from vae_lib.engines.milvus_index import connect
from vae_lib.engines.recall import draws

ROOT = Path(__file__).parents[1]
GARMENTS = 60_000
COMMAND = [sys.executable, "-m", "tests.test_milvus_server"]


def fill(folder: Path) -> None:
    """Fill the collection, and say so after each batch."""
    index = MilvusIndex(Posteriors.load(folder / "posteriors"), URI, token=TOKEN)
    upsert = index.client.upsert

    def upsert_and_say(*arguments: object) -> None:
        upsert(*arguments)
        print("batch", flush=True)

    index.client.upsert = upsert_and_say
    started = time.perf_counter()
    sent = index.insert(progress=False)
    first, started = time.perf_counter() - started, time.perf_counter()
    again = index.insert(progress=False)
    seconds = [first, time.perf_counter() - started]
    results = {"name": index.collection, "sent": sent, "again": again, "seconds": seconds}
    print(json.dumps(results | {"recall": index.verify_recall(at_least=0)}))


def ask(folder: Path, name: str) -> None:
    """Search in the collection, without posteriors."""
    index = MilvusIndex.open(URI, name, token=TOKEN)
    z = torch.load(folder / "codes.pt")
    found, single = index.search(z), index.search(z[0], k=1)
    pairs = [(found.indices, found.scores, found.probabilities), tuple(single)]
    errors = [
        error_of(uri, token) for uri, token in ((URI, "root:wrong"), ("http://127.0.0.1:1", ""))
    ]
    with pytest.raises(TypeError, match="has no posteriors"):
        index.verify_recall()
    with pytest.raises(ValueError, match=f"expected a collection of {URI} .{name}., got 'other'"):
        MilvusIndex.open(URI, "other", token=TOKEN)
    vectors = index.lifting.vectors(z.double()).numpy()

    def bare(i: int) -> None:
        options = {"limit": 10, "anns_field": "lifted", "consistency_level": "Session"}
        index.client.search(name, data=vectors[i : i + 1], **options)

    times = {
        "search": median_of(lambda i: index.search(z[i]), len(z)),
        "bare": median_of(bare, len(z)),
    }
    version = index.client.get_server_version()
    results = {"errors": errors, "milliseconds": times, "version": version, "repr": repr(single)}
    torch.save({"found": pairs, "results": json.dumps(results)}, folder / "found.pt")


def error_of(uri: str, token: str) -> str:
    """Return the error message of a connection that fails."""
    with pytest.raises(ConnectionError) as caught:
        connect(uri, token)
    return str(caught.value)


def median_of(function, count: int) -> float:
    """Return the median time of a call, in milliseconds."""
    times = []
    for i in range(count):
        started = time.perf_counter()
        function(i)
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def main(folder: Path) -> None:
    """Fill a server, kill the filling, then the server, and let another process search."""
    milvus_server.raise_loopback()
    milvus_server.prepare(folder / "server")
    server = milvus_server.start(folder / "server")
    filling = [*COMMAND, "fill", folder]
    with subprocess.Popen(filling, stdout=subprocess.PIPE, text=True) as first:
        wait_for_batches(first, 3)
        first.kill()
    with subprocess.Popen(
        filling, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as second:
        wait_for_batches(second, 3)
        server.kill()
        assert second.wait(PATIENCE) == 1  # it ends with an error
    server.wait(PATIENCE)
    server = milvus_server.start(folder / "server")
    third = subprocess.run(filling, stdout=subprocess.PIPE, check=True, text=True, timeout=PATIENCE)
    results = third.stdout.splitlines()[-1]
    (folder / "filled.json").write_text(results, encoding="utf-8")
    name = json.loads(results)["name"]
    subprocess.run([*COMMAND, "ask", folder, name], check=True, timeout=PATIENCE)
    server.kill()


def wait_for_batches(process: subprocess.Popen, count: int) -> None:
    """Wait until a process has sent some batches."""
    assert process.stdout is not None
    for _ in range(count):
        assert process.stdout.readline() == "batch\n"


@pytest.mark.slow
@pytest.mark.skipif(bool(milvus_server.missing()), reason=milvus_server.missing())
def test_a_server_that_was_killed_answers_a_process_without_posteriors(
    index, tmp_path, record_property
):
    exact = PosteriorIndex(resampled(index.posteriors, GARMENTS))
    exact.posteriors.save(tmp_path / "posteriors")
    z = draws(exact, 100, seed=4)
    z[90:] *= 3  # some far from all garments
    torch.save(z, tmp_path / "codes.pt")
    command = [*ISOLATED, *COMMAND, "main", tmp_path]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0, result.stdout + result.stderr
    filled = json.loads((tmp_path / "filled.json").read_text(encoding="utf-8"))
    assert 0 < filled["sent"] <= GARMENTS - 6 * 5000
    assert filled["again"] == 0
    assert filled["recall"] == 1
    answers = torch.load(tmp_path / "found.pt")
    (indices, scores, probabilities), single = answers["found"]
    expected = exact.search(z)
    assert expected.probabilities is not None
    assert indices.equal(expected.indices)
    assert scores.equal(expected.scores)
    assert (probabilities >= (1 - 1e-12) * expected.probabilities).all()
    assert single[0].equal(exact.search(z[0], k=1).indices)
    results = json.loads(answers["results"])
    assert results["repr"].endswith("probabilities are upper bounds)")
    token, address = results["errors"]
    assert token.startswith(f"token: no connection to {URI} (auth check failure")
    assert address.startswith("uri: no connection to http://127.0.0.1:1 (failed to connect")
    ours, bare = (results["milliseconds"][name] for name in ("search", "bare"))
    first, again = filled["seconds"]
    record_property(
        "note",
        f"Milvus {results['version']}: one query {ours:.1f} ms, a bare search {bare:.1f} ms; "
        f"filling {first:.0f} s, again {again:.1f} s",
    )


if __name__ == "__main__":
    role, path, *more = sys.argv[1:]
    {"main": main, "fill": fill, "ask": ask}[role](Path(path), *more)
