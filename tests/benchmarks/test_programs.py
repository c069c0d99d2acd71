import pytest
import torch

from benchmarks.programs import SUBJECTS, build, luma, random_sources, relative_difference
from fusionlab.networks import NETWORKS


@torch.inference_mode()
@pytest.mark.parametrize("name", [name for name in SUBJECTS if SUBJECTS[name].authors])
@pytest.mark.parametrize("size", [(20, 24), (7, 5)], ids=str)
def test_the_authors_version_computes_the_same(name, size):
    programs = build(name)
    sources = random_sources(*size, channels=SUBJECTS[name].channels)
    assert relative_difference(programs["authors"](sources), programs["static"](sources)) < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("name", SUBJECTS)
def test_every_program_fuses(name):
    sources = random_sources(9, 8, channels=SUBJECTS[name].channels)
    assert all(luma(run(sources)).shape == (1, 1, 9, 8) for run in build(name).values())


def test_networks_are_known_by_their_names():
    assert SUBJECTS.keys() <= NETWORKS.keys()
    assert all(
        type(build(name)["static"]).__name__ == subject.title for name, subject in SUBJECTS.items()
    )
