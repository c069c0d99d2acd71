"""A network whose RD varies visibly, and a sample that it fused."""

import numpy as np
import pytest
from PIL import Image

from fusionlab.figures.samples import Fusion, open_samples
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.settings import TTD, Data

SHARP = TTD("authors", temperature=1000.0)  # IFCNN reconstructs well: γ = 50 hardly acts


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """Three infrared-visible pairs of 24x16 pixels; the visible ones have colours."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("pairs")
    for source, shape in (("vi", (16, 24, 3)), ("ir", (16, 24))):
        (root / source).mkdir()
        for name in ("1", "2", "10"):
            pixels = rng.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(root / source / f"{name}.png")
    return root


@pytest.fixture(scope="session")
def fusion(pairs) -> Fusion:
    (dataset,) = open_samples(Data(root=str(pairs)))
    return Fusion(Fuser(create_network("ifcnn", "bundled"), "vif"), dataset, SHARP)


@pytest.fixture(scope="session")
def fuse(fusion):
    return fusion.fuse


@pytest.fixture(scope="session")
def sample(fusion):
    return fusion.sample(0)
