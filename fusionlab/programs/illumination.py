"""The program behind ``train.py --training.stage illumination``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L
import yaml
from jsonargparse import Namespace
from safetensors.torch import save_file

from fusionlab.data.illumination import IlluminationPatches, open_illumination
from fusionlab.errors import InputError
from fusionlab.networks.checkpoints import read_checkpoint
from fusionlab.programs.fitting import Fitting
from fusionlab.programs.outcome import print_json
from fusionlab.programs.provenance import provenance
from fusionlab.report.results import write_json
from fusionlab.settings import Data, Network, Training
from fusionlab.training.illumination import IlluminationData, IlluminationModule

NAME = "piafusion_illumination"


def train_illumination(settings: Namespace, config: str) -> Path:
    """Train PIAFusion's illumination classifier, keep and print the best epoch's accuracy.

    Args:
        settings: The instantiated config.
        config: The same as YAML.

    Returns:
        The run folder, with ``illumination.safetensors``.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    training = settings.training
    _check_settings(settings)
    L.seed_everything(settings.seed, workers=True, verbose=False)
    stride = training.stride or training.crop_size
    learnt, held_out = open_illumination(training.root, training.crop_size, stride, settings.seed)
    module = IlluminationModule(training)
    fitting = Fitting(settings, config, monitor="val/accuracy")
    if len(held_out) < fitting.trainer.world_size:
        raise InputError(
            f"{len(held_out)} held-out patches for {fitting.trainer.world_size} processes; lower "
            "trainer.devices"
        )
    about = _about(training.root, held_out, config)
    fitting.fit(module, IlluminationData(learnt, held_out, training, settings.seed), about)
    if fitting.trainer.is_global_zero:
        accuracy = fitting.best_score
        path = _write(fitting, module)
        counts = {"learnt_patches": len(learnt), "held_out_patches": len(held_out)}
        content = {"accuracy": accuracy, **counts, "settings": about["settings"], **provenance()}
        write_json(fitting.folder / "summary.json", content)
        if settings.json:
            print_json(content)
        else:
            _show(accuracy, len(held_out), path)
        fitting.track({"val/accuracy": accuracy}, path, NAME)
    return fitting.folder


def _about(root: str | None, held_out: IlluminationPatches, config: str) -> dict[str, Any]:
    """What tells this training from others, as a summary of fused images says it."""
    places = ["-".join(map(str, place)) for place in held_out.places]
    name = "photographs" if root is None else Path(root).name
    return {
        "network": {"name": NAME},
        "ttd": None,
        "settings": yaml.safe_load(config),
        "data": [{"name": name, "task": "vif", "ids": places}],
        **provenance(),
    }


def _check_settings(settings: Namespace) -> None:
    """Refuse what this stage does not read.

    Raises:
        InputError: Naming the first such setting.
    """
    if settings.network.name != "piafusion":
        raise InputError(
            f"{settings.network.name} needs no illumination classifier; set network.name to "
            "piafusion or training.stage to fusion"
        )
    unread = {
        "network": asdict(settings.network) != asdict(Network(name="piafusion")),
        "data": settings.data != Data(),
        "ttd": settings.ttd is not None,
        "training.limit": settings.training.limit is not None,
        "training.contrast": settings.training.contrast != 0,
        "training.options": bool(settings.training.options),
        "training.samples_every": settings.training.samples_every != Training().samples_every,
    }
    for name, given in unread.items():
        if given:
            raise InputError(f"training.stage illumination does not read {name}; leave it out")


def _show(accuracy: float, patches: int, path: Path) -> None:
    print(f"Accuracy on {patches} patches of held-out images: {100 * accuracy:.1f} %")
    print(
        "Next: python train.py --config configs/piafusion_vif.yaml "
        f"--training.options.classifier {path}"
    )


def _write(fitting: Fitting, module: IlluminationModule) -> Path:
    """The best weights as safetensors."""
    state = module.network.state_dict()
    if fitting.kept is not None:
        state = read_checkpoint(fitting.kept).state
    path = fitting.folder / "illumination.safetensors"
    metadata = {"network": NAME, "options": json.dumps({})}
    save_file({key: value.cpu().contiguous() for key, value in state.items()}, path, metadata)
    return path
