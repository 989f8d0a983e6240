"""Files of ``torch.save``, loaded without running anything in them and without growing far beyond their size."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lrbench.errors import UsageError, plain
from lrbench.storage import open_regular

_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80\x02"
"""The first bytes of files that ``torch.save`` wrote, since PyTorch 1.6 and before."""
_BYTEARRAY = b"\nbytearray\n"
"""The name, in a pickle, of the one class that ``weights_only`` admits and whose size the file chooses."""
_OF_STATES = {"base_lrs", "_step_count", "num_bad_epochs", "policies", "_schedulers"}


def is_saved(path: Path) -> bool:
    """Whether ``torch.save`` wrote the file, in today's format or the one before PyTorch 1.6."""
    try:
        with open_regular(path) as file:
            return file.read(len(_ZIP)).startswith((_ZIP, _PICKLE))
    except OSError:
        return False  # the solver's reader says why


def load_file(path: Path) -> Any:
    """Read a file of ``torch.save``: numbers, words, containers, and tensors, mapped from the file if possible.

    Raises:
        UsageError: PyTorch is missing, the file holds anything else, is damaged, or unpacks to more than it holds.
    """
    try:
        import torch
    except ImportError:
        raise UsageError("reading it needs PyTorch", where=str(path), remedy="pip install 'lrbench[torch]'") from None
    try:
        packed = zipfile.is_zipfile(path)
        _refuse_what_grows(path, packed)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
    except UsageError as error:
        raise error.at(str(path)) from None
    except Exception as error:  # noqa: BLE001 - whatever a damaged or foreign file makes PyTorch raise
        problem = plain(str(error)).split(". ")[0][:200]
        raise UsageError(
            f"is no file that PyTorch reads safely ({problem})",
            where=str(path),
            remedy="save scheduler.state_dict() by torch.save",
        ) from None


def number_of_tensor(value: Any) -> float | None:
    """The number of a tensor that holds one, of float32 as the shortest decimal that it stands for; else None."""
    import torch

    if not isinstance(value, torch.Tensor) or (value.device.type, value.layout) != ("cpu", torch.strided):
        return None
    if value.numel() != 1:
        return None
    if value.dtype == torch.float32:
        return float(str(np.float32(value.item())))
    return value.item() if value.dtype in (torch.float64, torch.int64) else None


def scheduler_states(loaded: Any) -> Iterator[Mapping[str, Any]]:
    """The states of schedulers in what was loaded: itself, or at any depth of its mappings and lists.

    A state is told by its ``last_epoch`` together with an entry that schedulers alone have, so that a checkpoint with a
    ``last_epoch`` of its own is none. A ChainedScheduler's has no ``last_epoch``.
    """
    waiting, seen = [loaded], set()
    while waiting:
        value = waiting.pop()
        if not isinstance(value, (Mapping, list, tuple)) or id(value) in seen:
            continue
        seen.add(id(value))
        if not isinstance(value, Mapping):
            waiting.extend(value)
        elif ("last_epoch" in value and _OF_STATES & value.keys()) or {"_schedulers", "_last_lr"} <= value.keys():
            yield value
        else:
            waiting.extend(value.values())


def _refuse_what_grows(path: Path, packed: bool) -> None:
    if packed:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > path.stat().st_size:
                raise UsageError("its members unpack to more than the file holds", remedy="save it by torch.save")
            pickles = b"".join(archive.read(member) for member in members if member.filename.endswith(".pkl"))
    else:
        pickles = path.read_bytes()
    if _BYTEARRAY in pickles:
        raise UsageError(
            "it holds a bytearray, whose size it may set at will", remedy="save scheduler.state_dict() by itself"
        )
