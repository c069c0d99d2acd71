"""Medical scenes: one drawn anatomy, seen by MRI, CT and PET.

MRI shows soft tissue, CT the skull and what is calcified or bleeding, PET the uptake of glucose in
false colours. There is no reference: nobody can say what a perfect fusion shows.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.scenes.head import Head, tissues
from fusionlab.data.scenes.scene import Scene, make_scene
from fusionlab.data.shapes import smooth_noise, soften

Values = Mapping[str, float]

# Grey value of each tissue per modality, as the usual display windows show them.
# fmt: off
T2 = {"scalp": 0.50, "skull": 0.05, "marrow": 0.22, "csf": 0.92, "grey": 0.56, "white": 0.36,
      "nuclei": 0.46, "fluid": 0.95, "calcification": 0.25, "oedema": 0.62, "lesion": 0.80}
T1 = {"scalp": 0.85, "skull": 0.06, "marrow": 0.42, "csf": 0.12, "grey": 0.44, "white": 0.66,
      "nuclei": 0.52, "fluid": 0.09, "calcification": 0.20, "oedema": 0.46, "lesion": 0.28}
CT = {"scalp": 0.20, "skull": 1.00, "marrow": 0.84, "csf": 0.16, "grey": 0.33, "white": 0.27,
      "nuclei": 0.34, "fluid": 0.12, "calcification": 0.95, "oedema": 0.20, "lesion": 0.62}
PET = {"scalp": 0.08, "skull": 0.02, "marrow": 0.06, "csf": 0.10, "grey": 1.05, "white": 0.36,
       "nuclei": 0.92, "fluid": 0.08, "calcification": 0.10, "oedema": 0.30, "lesion": 1.25}
# fmt: on

FALSE_COLOURS = (
    (0.00, 0.00, 0.00),
    (0.05, 0.05, 0.50),
    (0.00, 0.45, 0.75),
    (0.10, 0.70, 0.25),
    (0.95, 0.85, 0.10),
    (0.95, 0.15, 0.05),
)


def medical_scenes() -> tuple[Scene, ...]:
    """All scenes of task ``mif``."""
    return (
        mri_ct("ct-ventricles", Head((256, 256), 0, 1.0, (0.36, 0.33), 0.035), T2),
        mri_ct("ct-crown", Head((257, 241), 1, 0.0, (0.61, 0.60), 0.045), T1),
        _mri_pet("pet-ventricles", Head((256, 256), 2, 1.25, (0.66, 0.40), 0.035), T1),
        _mri_pet("pet-crown", Head((256, 256), 3, 0.0, (0.39, 0.62), 0.040), T2),
    )


def mri_ct(name: str, head: Head, weighting: Values) -> Scene:
    """Soft tissue in MRI; bone and a fresh bleeding in CT."""
    rng = np.random.default_rng(100 + head.seed)
    mattes = tissues(head)
    mri = _acquired(_painted(mattes, weighting), 0.7, rng)
    ct = _acquired(_painted(mattes, CT), 0.9, rng)
    return make_scene("mif", name, {"mri": mri, "ct": ct}, None, [("lesion", mattes["lesion"])])


def _mri_pet(name: str, head: Head, weighting: Values) -> Scene:
    """Soft tissue in MRI; coarse uptake in PET, in false colours."""
    rng = np.random.default_rng(200 + head.seed)
    mattes = tissues(head)
    mri = _acquired(_painted(mattes, weighting), 0.7, rng)
    uneven = 0.8 + 0.4 * smooth_noise(head.size, 6, rng)
    pet = _false_coloured(soften(_painted(mattes, PET) * uneven, 2.8))
    return make_scene("mif", name, {"mri": mri, "pet": pet}, None, [("lesion", mattes["lesion"])])


def _painted(mattes: Mapping[str, Tensor], values: Values) -> Tensor:
    """Lay the tissues over each other with their grey values, (1, H, W)."""
    image = torch.zeros_like(mattes["scalp"])
    for name, matte in mattes.items():
        image = image + matte * (values[name] - image)
    return image


def _acquired(image: Tensor, sigma: float, rng: np.random.Generator) -> Tensor:
    """Resolution, uneven gain and grain of a scanner; air stays black."""
    gain = 0.92 + 0.16 * smooth_noise((image.shape[-2], image.shape[-1]), 3, rng)
    grain = torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
    return soften(image * gain, sigma) + 0.03 * soften(grain, 0.8) * (image > 0.01)


def _false_coloured(uptake: Tensor) -> Tensor:
    """(1, H, W) in [0, 1] to (3, H, W) through the colour table, linearly between its entries."""
    table = torch.tensor(FALSE_COLOURS)
    position = uptake[0].clamp(0, 1) * (len(table) - 1)
    lower = position.floor().long().clamp(max=len(table) - 2)
    fraction = (position - lower)[..., None]
    return (table[lower] * (1 - fraction) + table[lower + 1] * fraction).permute(2, 0, 1)
