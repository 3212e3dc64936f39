"""Write files whole: a reader finds the old content or the new one, never half of either."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from vae_lib._checks import require


def as_path(path: str | os.PathLike, name: str = "path") -> Path:
    """Return the one spelling under which a path is tested and used: `~` is expanded.

    Args:
        path: what the caller passed.
        name: the argument's name, for the error message.

    Raises:
        TypeError: path is neither a string nor a path.
    """
    require(name, path, (str, os.PathLike), "a string or a path")
    return Path(os.path.expanduser(path))


def write_atomically(path: str | os.PathLike, write: Callable[[Path], object]) -> Path:
    """Write a temporary file beside `path`, then rename it to `path`.

    If writing fails, on a full disk for example, `path` keeps its old content. A process that is
    killed leaves a hidden file `.NAME.….new` behind, which nothing ever reads.

    Args:
        path: the file to write; missing folders are created.
        write: fills the temporary file whose path it is given.

    Returns:
        The path that was written, with `~` expanded.

    Raises:
        ValueError: path is a folder.
        OSError: the disk is full, or the folder cannot be written to.
    """
    path = as_path(path)
    if path.is_dir():
        raise ValueError(f"path: {path} is a folder; expected the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.new")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        write(temporary)
        temporary.chmod(mode)  # safetensors makes a file that only its owner may read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_text_atomically(path: str | os.PathLike, text: str) -> Path:
    """Write a text file in UTF-8; arguments, result and errors as `write_atomically`."""
    return write_atomically(path, lambda file: file.write_text(text, encoding="utf-8"))


def save_tensors(
    path: str | os.PathLike, kind: str, tensors: dict[str, torch.Tensor], facts: dict[str, str]
) -> Path:
    """Save tensors in the safetensors format.

    Args:
        path: the file to write.
        kind: what the file holds; `load_tensors` asks for it again.
        tensors: the tensors by name, on any device.
        facts: further text for the file's header.

    Returns:
        The path that was written.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    # copies, since safetensors refuses tensors that share memory
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}

    def write(file: Path) -> None:
        try:
            save_file(tensors, file, metadata={"kind": kind, **facts})
        except SafetensorError as error:  # raised in place of an OSError when the disk is full
            raise OSError(f"{path} could not be written: {error}") from error

    return write_atomically(path, write)


def load_tensors(
    path: str | os.PathLike, kind: str
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Load a file that `save_tensors` wrote.

    Args:
        path: the file to read.
        kind: what the file must hold.

    Returns:
        The tensors by name, on the CPU, and the text of the header.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another kind.
    """
    path = as_path(path)
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
