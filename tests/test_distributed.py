"""`fit` on two processes that `torchrun` starts: it trains as one process does, and it resumes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from vae_lib import VAE, fit
from vae_lib.checkpoint import History
from vae_lib.garments import draw_garments
from vae_lib.training import split_validation

ROOT = Path(__file__).parents[1]
PATIENCE = 240  # seconds, for a busy machine; a free one needs a twentieth of them
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
LAUNCH += ["--local-addr", "127.0.0.1", "--nproc-per-node", "2", "-m", "tests.test_distributed"]
EPOCHS, BATCH = 3, 61
SHARES = 9 * [(31, 30)] + [(1, 0)]  # of the batches of 550 images; the last has a single image


def new_vae() -> VAE:
    torch.manual_seed(dist.get_rank() if dist.is_initialized() else 0)  # the first one's count
    return VAE(3, hidden=(64, 32))


def images() -> torch.Tensor:
    return draw_garments(600, seed=0).images


def rows(pixels: torch.Tensor) -> list[bytes]:
    """Return the images [N, 784] in an order that is always the same."""
    return sorted(row.numpy().tobytes() for row in pixels)


def weights(vae: VAE) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in vae.parameters()])


def train(vae: VAE, **options: object) -> History:
    recipe = {
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "free_bits": 1.0,
        "learning_rate": 0.02,
    } | options
    return fit(vae, images(), **recipe)  # type: ignore[arg-type]


def interrupted(vae: VAE, checkpoint: Path) -> None:
    """Train, and stop in the second epoch."""
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 15:  # 10 steps and 1 validation batch to an epoch
            raise KeyboardInterrupt

    vae.encoder.register_forward_pre_hook(count)
    with pytest.raises(KeyboardInterrupt):
        train(vae, checkpoint=checkpoint, progress=False)


def work(folder: Path) -> None:
    """Train in one of the two processes."""
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    with pytest.raises(ValueError, match=r"seed: expected the same in all processes, got \[0, 1\]"):
        train(new_vae(), seed=rank)
    vae, seen = new_vae(), []
    hook = vae.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    history = train(vae)
    hook.remove()
    interrupted(new_vae(), folder / "checkpoint")
    resumed = new_vae()
    again = train(resumed, checkpoint=folder / "checkpoint", progress=False)
    found = {"weights": weights(vae), "resumed": weights(resumed), "seen": seen}
    found |= {"history": vars(history.validation), "train": vars(history.train)}
    found |= {"again": vars(again.validation)}
    torch.save(found, folder / f"found-{rank}")
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="lo is the name that Linux gives to loopback")
def test_two_processes_train_as_one_does_and_resume(tmp_path):
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command = [*LAUNCH, tmp_path]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(f"0/{EPOCHS} [00:00<?, ?epoch/s]") == 1  # one progress bar
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "found-0", "found-1"}
    first, second = (torch.load(tmp_path / f"found-{rank}") for rank in (0, 1))
    shares = [found["seen"][: len(SHARES)] for found in (first, second)]  # of the first epoch
    assert [tuple(map(len, pair)) for pair in zip(*shares, strict=True)] == SHARES
    train_images, _ = split_validation(images())
    assert rows(torch.cat([*shares[0], *shares[1]])) == rows(train_images.flatten(1) / 255)
    for name in ("weights", "resumed"):
        assert first[name].equal(second[name])
    assert first["resumed"].equal(first["weights"])
    assert first["again"] == first["history"] == second["history"]
    one = new_vae()
    alone = train(one, progress=False)
    torch.testing.assert_close(first["weights"], weights(one), rtol=1e-3, atol=1e-4)
    for curves, name in ((alone.validation, "history"), (alone.train, "train")):
        assert first[name]["elbo"] == second[name]["elbo"]
        assert first[name]["elbo"] == pytest.approx(curves.elbo, rel=1e-5)
    assert alone.validation.elbo[-1] > alone.validation.elbo[0] + 20


if __name__ == "__main__":
    work(Path(sys.argv[1]))
