"""A network whose weights differ visibly, and a sample that it fused."""

import numpy as np
import pytest
from PIL import Image

from fusionlab.figures.samples import fuse_sample, open_samples
from fusionlab.networks import create_network
from fusionlab.settings import TTD, Data
from fusionlab.training.module import FusionModule
from fusionlab.ttd import TestTimeDynamicFusion

SHARP = {"preset": "authors", "temperature": 1000.0}  # IFCNN hardly errs: γ = 50 hardly acts


@pytest.fixture(scope="session")
def module() -> FusionModule:
    return FusionModule(create_network("ifcnn", "bundled"), ttd=TTD(**SHARP)).eval()


@pytest.fixture(scope="session")
def dynamic(module) -> TestTimeDynamicFusion:
    return TestTimeDynamicFusion(module.network, **SHARP)


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
def dataset(module, pairs):
    return open_samples(Data(root=str(pairs)), module.network)[0]


@pytest.fixture(scope="session")
def sample(module, dataset):
    return fuse_sample(module, dataset, 0)
