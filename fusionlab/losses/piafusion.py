"""The objective of PIAFusion: as bright as the better lit source, as sharp as the sharper one.

Tang et al., Information Fusion 83-84, 2022, https://doi.org/10.1016/j.inffus.2022.03.007
Authors' code: https://github.com/Linfeng-Tang/PIAFusion (TensorFlow)
Port to PyTorch: https://github.com/linklist2/PIAFusion_pytorch
Differs: this is the port's loss (the original mixes the two intensity terms into one target).
Where the classifier scores day and night 0, each source weighs 1/2; the port gets NaN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.losses.sobel import edge_loss
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.checkpoints import read_checkpoint
from fusionlab.networks.downloads import download, is_address
from fusionlab.networks.piafusion import IlluminationClassifier

REMEDY = (
    "train one with `fusionlab train --config piafusion_illumination`, then give it "
    "with `--training.options.classifier FILE` (the authors' best_cls.pth loads too)"
)


class PIAFusionObjective(Objective):
    """Illumination, auxiliary intensity and gradient, weighted 3, 7 and 50.

    Args:
        classifier: File (or address) of the illumination classifier, ours or the authors'
            ``best_cls.pth``. It weighs the sources and does not learn.
    """

    learns_from: ClassVar[Kind | None] = "pairs"
    smallest_crop: ClassVar[int] = 16  # the classifier's

    def __init__(self, classifier: str | None = None) -> None:
        super().__init__()
        if classifier is None:
            raise InputError(f"piafusion learns with an illumination classifier: {REMEDY}")
        self.classifier = load_classifier(classifier)

    def train(self, mode: bool = True) -> PIAFusionObjective:
        """Never the classifier."""
        super().train(mode)
        self.classifier.eval()
        return self

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W) and ``rgb`` (B, 2, 3, H, W).

        The visible source comes first.
        """
        visible, infrared = batch["sources"].unbind(1)
        fused = network(batch["sources"]).to(visible.dtype).clamp(0, 1)
        with torch.no_grad():
            w_vi = visible_weight(self.classifier(batch["rgb"][:, 0]).to(visible.dtype))
        w_ir = 1 - w_vi
        illumination = F.l1_loss(w_ir * fused, w_ir * infrared)
        illumination = illumination + F.l1_loss(w_vi * fused, w_vi * visible)
        return {
            "illumination": 3 * illumination,
            "intensity": 7 * F.l1_loss(fused, torch.maximum(visible, infrared)),
            "gradient": 50 * edge_loss(fused, batch["sources"]),
        }


def visible_weight(scores: Tensor) -> Tensor:
    """Share of the day in the scores of day and night: (B, 2), ≥ 0, to (B, 1, 1, 1)."""
    day, total = scores[:, 0], scores.sum(1)
    share = torch.where(total > 0, day / total, 0.5)
    return share[:, None, None, None]


def load_classifier(path: str | Path) -> IlluminationClassifier:
    """The illumination classifier of a file, frozen.

    Raises:
        InputError: If the file is missing, damaged, or holds something else.
    """
    if isinstance(path, str) and is_address(path):
        path = download(path, IlluminationClassifier.published)
    if not isinstance(path, str | Path) or not Path(path).is_file():
        raise InputError(f"training.options.classifier: there is no file {path}; {REMEDY}")
    state = read_checkpoint(path).state
    with torch.device("meta"):  # draws no random numbers
        classifier = IlluminationClassifier()
    expected = {key: value.shape for key, value in classifier.state_dict().items()}
    found = {key: value.shape for key, value in state.items()}
    faults = sorted(k for k in expected | found if expected.get(k) != found.get(k))
    if faults:
        raise InputError(
            f"{path} holds no illumination classifier ({faults[0]} is missing, surplus or of "
            f"another shape); {REMEDY}"
        )
    classifier.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    return classifier.eval().requires_grad_(False)
