"""Published checkpoints as our own: safetensors that state their network and its options."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fusionlab.errors import InputError
from fusionlab.networks import (
    NETWORKS,
    FusionNetwork,
    check_checkpoint,
    create_network,
    fetch_checkpoint,
    list_networks,
    save_checkpoint,
)
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.networks.downloads import is_address

LONGEST_NAME = 200  # bytes; file systems in use take 255, of which the writer needs some


def convert_checkpoint(
    source: str, target: str | Path, name: str | None, options: dict[str, Any]
) -> FusionNetwork:
    """Write a checkpoint, whatever its layout, as our own.

    Args:
        source: A path or address, as ``create_network`` takes it.
        target: A new file, ``*.safetensors``.
        name: The network; None for the one that it fits.
        options: The network's options, over those that the checkpoint is known to want.

    Returns:
        The network, with the weights.

    Raises:
        InputError: If the checkpoint does not load, fits no network or several, or if ``target``
            exists or cannot be written; then nothing is.
    """
    target = Path(target)
    if target.suffix != ".safetensors":
        raise InputError(f"{target} must end in .safetensors")
    if len(target.name.encode()) > LONGEST_NAME:
        raise InputError(f"{target.name[:20]}… is too long a name; choose a shorter one")
    if target.exists():
        raise InputError(f"{target} exists; remove it or choose another name")
    for key in options.keys() & {"name", "checkpoint"}:
        raise InputError(f"{key} is no option of a network; give the network with --network")
    network = create_network(name, source, **options) if name else _fitting(source, options)
    try:
        with TemporaryDirectory(prefix=".convert-", dir=target.parent) as folder:
            save_checkpoint(network, Path(folder) / target.name)
            (Path(folder) / target.name).rename(target)
    except OSError as fault:
        raise InputError(f"{target} cannot be written ({fault.strerror})") from None
    return network


def _fitting(source: str, options: dict[str, Any]) -> FusionNetwork:
    """The one network that the checkpoint fits strictly.

    Raises:
        InputError: If there is none, or more than one.
    """
    fitting: list[FusionNetwork] = []
    faults: set[str] = set()
    path = fetch_checkpoint(source) if is_address(source) else Path(source)  # fails only once
    names = [name for name in list_networks() if NETWORKS[name].trainable]
    if path.is_file():
        sha256 = file_sha256(path)
        known = [n for n in names if any(one.sha256 == sha256 for one in NETWORKS[n].published)]
        names = known or names
    for name in names:
        try:
            check_checkpoint(name, source, **options)
            fitting.append(create_network(name, source, **options))
        except InputError as fault:
            faults.add(str(fault))
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and len(faults) == 1:  # no matter of the network
        raise InputError(faults.pop())
    reasons = "" if fitting else f" ({'; '.join(sorted(faults))})"
    found = (", ".join(network.name for network in fitting) or "none") + reasons
    raise InputError(
        f"{source} must fit one network of {', '.join(names)}, fits {found}; "
        "say which with --network, and its options with --option"
    )
