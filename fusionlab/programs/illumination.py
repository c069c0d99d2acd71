"""The program behind ``train.py --training.stage illumination``."""

from __future__ import annotations

import json
from pathlib import Path

import lightning as L
import yaml
from jsonargparse import Namespace
from safetensors.torch import save_file

from fusionlab.data.illumination import open_illumination
from fusionlab.errors import InputError
from fusionlab.networks.checkpoints import read_checkpoint
from fusionlab.programs.fitting import Fitting
from fusionlab.programs.provenance import provenance
from fusionlab.report.results import write_json
from fusionlab.training.illumination import IlluminationData, IlluminationModule


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
    if settings.network.name != "piafusion":
        raise InputError(
            f"{settings.network.name} needs no illumination classifier; set network.name to "
            "piafusion or training.stage to fusion"
        )
    L.seed_everything(settings.seed, workers=True, verbose=False)
    stride = training.stride or training.crop_size
    learnt, held_out = open_illumination(training.root, training.crop_size, stride, settings.seed)
    module = IlluminationModule(training)
    fitting = Fitting(settings, config, monitor="val/accuracy")
    fitting.fit(module, IlluminationData(learnt, held_out, training, settings.seed))
    if fitting.trainer.is_global_zero:
        accuracy = float(fitting.checkpoint.best_model_score or float("nan"))
        path = _write(fitting, module)
        counts = {"learnt_patches": len(learnt), "held_out_patches": len(held_out)}
        content = {"accuracy": accuracy, **counts, "settings": yaml.safe_load(config)}
        write_json(fitting.folder / "summary.json", {**content, **provenance()})
        print(f"Accuracy on {len(held_out)} patches of held-out images: {100 * accuracy:.1f} %")
        print(
            "Next: python train.py --config configs/piafusion_vif.yaml "
            f"--training.options.classifier {path}"
        )
    return fitting.folder


def _write(fitting: Fitting, module: IlluminationModule) -> Path:
    """The best weights as safetensors."""
    state = module.network.state_dict()
    if fitting.kept is not None:
        state = read_checkpoint(fitting.kept).state
    path = fitting.folder / "illumination.safetensors"
    metadata = {"network": "piafusion_illumination", "options": json.dumps({})}
    save_file({key: value.cpu().contiguous() for key, value in state.items()}, path, metadata)
    return path
