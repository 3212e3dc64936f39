"""Write files so that a reader sees the old one or the new one, and never half of either."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file


def write_atomically(path: str | os.PathLike, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a temporary file beside `path`, then rename it.

    The folder is made where it is missing. On an error, a full disk say, `path` is as it was. A
    process that is killed leaves a hidden file beside it, `.NAME.….new`, which nobody ever reads.
    """
    path = Path(os.path.expanduser(path))
    if path.is_dir():
        raise ValueError(f"path: {path} is a folder; expected the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_text_atomically(path: str | os.PathLike, text: str) -> Path:
    """Write a text file in UTF-8, as `write_atomically` does."""

    def write(file: Path) -> None:
        file.write_text(text, encoding="utf-8")

    return write_atomically(path, write)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_tensors(
    path: str | os.PathLike, kind: str, tensors: dict[str, torch.Tensor], facts: dict[str, str]
) -> Path:
    """Save tensors as safetensors, with `kind` and further text in the file's own header.

    Raises an OSError where the disk is full, or the folder cannot be written to.
    """
    # copies, since safetensors refuses tensors that share memory
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}

    def write(file: Path) -> None:
        try:
            save_file(tensors, file, metadata={"kind": kind, **facts})
        except SafetensorError as error:  # its own word for a full disk
            raise OSError(f"{path} could not be written: {error}") from error

    return write_atomically(path, write)


def load_tensors(
    path: str | os.PathLike, kind: str
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Load what `save_tensors` saved under the same `kind`: the tensors and the text.

    Raises FileNotFoundError, or a ValueError for a file that is truncated or of another kind.
    """
    path = Path(os.path.expanduser(path))
    if not path.is_file():
        raise FileNotFoundError(f"path: there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            if facts.get("kind") != kind:
                found = facts.get("kind", "safetensors of unknown origin")
                raise ValueError(f"path: {path} holds {found}; expected {kind}")
            # a copy, since the file is mapped into memory and may be replaced while we use it
            return {name: file.get_tensor(name).clone() for name in file.keys()}, facts  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"path: {path} is damaged or not a safetensors file ({error}); expected {kind}"
        ) from error
