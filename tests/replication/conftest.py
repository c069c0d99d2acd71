"""Results of the replication on tiny pairs, with the package's own weights as the given ones."""

from pathlib import Path

import numpy as np
import pytest

from fusionlab.data.dataset import open_folder
from fusionlab.laboratory.outcome import Measure, Outcome
from fusionlab.laboratory.replication import program
from fusionlab.laboratory.replication.results import Results
from fusionlab.networks import IFCNN
from fusionlab.networks.checkpoints import bundled_checkpoint
from fusionlab.settings import Data

from ..conftest import write_pairs


def outcome(
    psnr: dict[str, list[float]], other: dict[str, list[float]], higher: bool = True
) -> Outcome:
    """Static is 30 dB and 0 everywhere; settings are what they add to it."""
    measures = (Measure("PSNR_truth", True, True), Measure("EN", higher))
    count = len(next(iter(psnr.values())))
    values = {"static": np.column_stack([np.full(count, 30.0), np.zeros(count)])}
    for label, added in psnr.items():
        values[label] = np.column_stack([30 + np.array(added), np.array(other[label])])
    ids = [str(k) for k in range(count)]
    return Outcome("data", "mff", "", "", 0.0, 1, ids, measures, values)


def replicate_tiny(root: Path) -> Results:
    """Replicate on the pairs below a folder that :func:`replicated` made."""
    truth = open_folder(Data(root=str(root / "truth")), IFCNN.rgb_tasks, IFCNN.channels)
    folders = {"MRI-CT": str(root / "medical"), "TNO": str(root / "infrared")}
    files = {"IFCNN-MAX": str(bundled_checkpoint("ifcnn"))}
    return program.replicate(folders, files, {"MRI-CT": 2}, [truth], root / "values")


@pytest.fixture(scope="session")
def replicated(tmp_path_factory) -> tuple[Results, Path]:
    """Results of a few tiny pairs, and the folder with them and their values per image."""
    root = tmp_path_factory.mktemp("replication")
    write_pairs(root / "medical", names=("1", "2", "3"), sources=("MRI", "CT"))
    write_pairs(root / "infrared", names=("1D", "2D", "3N", "4N"))
    write_pairs(root / "truth", sources=("near", "far", "gt"))
    return replicate_tiny(root), root
