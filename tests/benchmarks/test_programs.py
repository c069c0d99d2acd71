import pytest
import torch

from benchmarks.programs import SUBJECTS, build, luma, random_sources, relative_difference
from fusionlab.networks import NETWORKS


@pytest.mark.slow
@torch.inference_mode()
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("swinfuse", "ddfm", "tcmoa") else ())
        for name in SUBJECTS
    ],
)
def test_every_program_fuses_and_the_authors_computes_the_same(name):
    subject, programs = SUBJECTS[name], build(name)
    assert type(programs["static"]).__name__ == subject.title == NETWORKS[name].__name__
    for size in [(20, 24), (7, 5)]:
        sources = random_sources(*size, channels=subject.channels)
        found = {key: run(sources) for key, run in programs.items()}
        assert all(luma(one).shape == (1, 1, *size) for one in found.values())
        if subject.authors:
            assert relative_difference(found["authors"], found["static"]) < 1e-4
