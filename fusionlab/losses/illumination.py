"""The first stage of PIAFusion: a classifier tells day from night.

Tang et al., Information Fusion 83-84, 2022, https://doi.org/10.1016/j.inffus.2022.03.007
Port to PyTorch: https://github.com/linklist2/PIAFusion_pytorch
The second stage, the objective ``piafusion``, weighs the sources by the classifier's scores.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.illumination import open_illumination
from fusionlab.errors import InputError
from fusionlab.losses.base import Objective, ParameterGroup, Step
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.piafusion import IlluminationClassifier, PIAFusion
from fusionlab.settings import Training


class IlluminationObjective(Objective):
    """Cross-entropy of the classifier's two scores; the fusion network does not learn.

    Patches of one tenth of the images are held out; the accuracy on them is the validation.
    """

    trains: ClassVar[type[FusionNetwork]] = PIAFusion
    unused_parameters: ClassVar[bool] = True
    validates: ClassVar[tuple[str, ...]] = ("accuracy",)
    next_command: str = (
        "fusionlab train --config piafusion_vif --training.options.classifier {path}"
    )

    def __init__(self) -> None:
        super().__init__()
        self.classifier = IlluminationClassifier()

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """The term of a batch with ``image`` (B, 3, S, S) and ``label`` (B,)."""
        scores = self.classifier(batch["image"])
        return {"cross_entropy": F.cross_entropy(scores, batch["label"])}

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """The classifier alone."""
        return [ParameterGroup("classifier", list(self.classifier.parameters()))]

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None]:
        """Patches of days and nights, and patches of other images to validate on."""
        for name, given in (("limit", settings.limit), ("contrast", settings.contrast)):
            if given:
                raise InputError(
                    f"training.objective {self.name} does not read training.{name}; leave it out"
                )
        side = settings.crop_size
        return open_illumination(settings.root, side, settings.stride or side, seed)

    def validate(self, network: FusionNetwork, batch: dict[str, Any]) -> dict[str, Tensor]:
        """1 where a patch is classified rightly, else 0."""
        found = self.classifier(batch["image"]).argmax(1)
        return {"accuracy": (found == batch["label"]).float()}

    def save(self, folder: Path) -> Path:
        """Write the classifier as ``illumination.safetensors``."""
        state = self.classifier.state_dict()
        path = folder / "illumination.safetensors"
        metadata = {"network": "piafusion_illumination", "options": json.dumps({})}
        save_file({key: value.cpu().contiguous() for key, value in state.items()}, path, metadata)
        return path
