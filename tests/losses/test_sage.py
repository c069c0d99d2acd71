"""SAGE's objective, by hand."""

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.sage import feature_distance, fusion_terms
from fusionlab.networks import create_network, save_checkpoint


@pytest.fixture
def sources() -> torch.Tensor:
    return torch.rand(2, 2, 1, 16, 20, generator=torch.Generator().manual_seed(0))


def test_the_terms_by_hand():
    fused, taught = torch.full((1, 1, 4, 4), 0.5), torch.full((1, 1, 4, 4), 0.25)
    sources = torch.stack([torch.full((1, 1, 4, 4), 0.75), torch.zeros(1, 1, 4, 4)], 1)
    terms = fusion_terms(fused, sources)
    assert terms["fidelity"].item() == pytest.approx(3 * (3 * 0.25**2 + 2 * 0.5**2))
    # zeros around: |x| + |y| of a constant c is 3c + 3c at corners, 4c along sides, 0 inside
    border = (4 * 6 + 8 * 4) / 16
    assert terms["gradient"].item() == pytest.approx(3 * 9 * 0.25 * border)
    terms = fusion_terms(fused, sources, taught)
    fidelity = 3 * 0.25**2 + 2 * 0.5**2 + 4 * 0.25**2
    assert terms["fidelity"].item() == pytest.approx(3 * fidelity)
    assert terms["gradient"].item() == pytest.approx(3 * (9 + 3) * 0.25 * border)


def test_features_are_compared_by_their_angle():
    one = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).view(2, 2, 1, 1)
    other = torch.tensor([[3.0, 0.0], [1.0, 0.0]]).view(2, 2, 1, 1)
    assert feature_distance([one, one], [other, 5 * one]).item() == pytest.approx(0.5)


def test_a_teacher_that_is_a_sage_gives_its_features_and_stays(sources, tmp_path):
    save_checkpoint(create_network("sage"), tmp_path / "teacher.safetensors")
    options = {"teacher": "sage", "checkpoint": str(tmp_path / "teacher.safetensors")}
    objective = create_objective("sage", **options).train()
    before = {key: x.clone() for key, x in objective.state_dict().items()}
    student = create_network("sage").train()
    terms = objective(student, {"sources": sources}, Step())
    assert terms.keys() == {"fidelity", "gradient", "features"}
    sum(terms.values()).backward()
    assert all(one.grad is not None for one in student.parameters())
    assert all(torch.equal(x, objective.state_dict()[key]) for key, x in before.items())
    (group,) = objective.parameter_groups(student)
    assert {id(one) for one in group.parameters} == {id(one) for one in student.parameters()}


def test_any_network_may_teach(sources, tmp_path):
    save_checkpoint(create_network("seafusion"), tmp_path / "teacher.safetensors")
    options = {"teacher": "seafusion", "checkpoint": str(tmp_path / "teacher.safetensors")}
    objective, student = create_objective("sage", **options), create_network("sage")
    terms = objective(student, {"sources": sources}, Step())
    expected = fusion_terms(student(sources), sources, objective.teacher(sources))
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {k: v.item() for k, v in expected.items()}
    )


def test_a_network_without_weights_cannot_teach():
    with pytest.raises(InputError, match="go together"):
        create_objective("sage", teacher="seafusion")
