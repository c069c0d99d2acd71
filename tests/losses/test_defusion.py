"""DeFusion's objective against its authors' loss."""

import numpy as np
import pytest
import torch

from fusionlab.data.pretext import parts_of
from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.defusion import decomposition_terms, fused_weight, outside_share
from fusionlab.networks import create_network
from fusionlab.networks.defusion import DeFusion
from fusionlab.settings import Training
from tests.networks.formula import formula_weights, read_layout
from tests.networks.test_defusion import value

TERMS = ("common", "unique_1", "unique_2", "fused")


@pytest.fixture(scope="module")
def given(shared) -> dict[str, np.ndarray]:
    with np.load(shared / "reference" / "networks" / "defusion_training.npz") as file:
        return dict(file)


def test_every_term_of_the_authors_loss_at_every_stage(given):
    outputs = [torch.from_numpy(given[key]) for key in ("common", "unique", "fused", "image")]
    masks = torch.from_numpy(given["mask"]).float()
    for k, iteration in enumerate(given["iterations"]):
        terms = decomposition_terms(*outputs, masks, int(iteration))
        for name in TERMS:  # theirs are means over the batch
            found, expected = terms[name].item() / 2, given[f"loss_{name}"][k]
            assert found == pytest.approx(expected, rel=1e-5, abs=1e-12), (name, iteration)
        total = sum(terms.values()).item()
        assert total == pytest.approx(given["loss_total"][k], rel=1e-5)


def test_the_schedule_by_hand():
    assert [outside_share(k) for k in (0, 2999)] == [0, 0]
    assert outside_share(3000) == pytest.approx(0.0276, abs=5e-5)
    assert outside_share(7000) == outside_share(40_000) == pytest.approx(0.15)
    assert outside_share(40_001) == pytest.approx(0.015)
    assert [fused_weight(k) for k in (16_999, 17_000, 24_000, 60_000)] == [0, 0.25, 1, 1]


def test_terms_of_perfect_parts_are_0_and_parts_outside_their_masks_count_little():
    image, masks = torch.rand(2, 3, 8, 8), (torch.rand(2, 2, 1, 8, 8) > 0.5).float()
    common, unique = parts_of(image, masks)
    terms = decomposition_terms(common, unique, image, image, masks, 30_000)
    assert max(terms.values()) < 1e-7  # 0.15 p + 0.85 p is p to rounding
    assert terms.keys() == set(TERMS)
    outside = 1 - masks.prod(1)
    terms = decomposition_terms(common + outside, unique, image, image, masks, 30_000)
    assert terms["common"].item() == pytest.approx(0.15 * outside.mean((1, 2, 3)).sum().item())


def batch_of(given: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    names = {"sources": "input", "masks": "mask", "reference": "image"}
    return {key: torch.from_numpy(given[name]).float() for key, name in names.items()}


@pytest.mark.slow
def test_gradients_and_steps_of_the_authors_modules(given, shared):
    network = create_network("defusion")
    weights = formula_weights(read_layout(shared, "defusion"), value)
    network.load_state_dict({key: weights[key] for key in network.state_dict()})
    objective, batch = create_objective("defusion"), batch_of(given)
    first = int(given["grad_iteration"])
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for k, expected in enumerate(given["adam_losses"]):
        loss = sum(objective(network.train(), batch, Step(0, first + k)).values())
        assert loss.item() == pytest.approx(expected, rel=1e-3)
        optimizer.zero_grad()
        loss.backward()
        if k == 0:
            norms = {name: p.grad.norm().item() for name, p in network.named_parameters()}
            stored = dict(zip(given["grad_keys"].tolist(), given["grad_norms"], strict=True))
            assert norms.keys() == {name for name, norm in stored.items() if norm >= 0}
            for name, norm in norms.items():
                assert norm == pytest.approx(stored[name], rel=1e-3), name
        optimizer.step()


def test_the_objective_sees_the_network_s_images_without_padding():
    torch.manual_seed(0)
    network = create_network("defusion", **DeFusion.small)
    batch = {
        "sources": torch.rand(2, 2, 3, 24, 24),
        "masks": (torch.rand(2, 2, 1, 24, 24) > 0.5).float(),
        "reference": torch.rand(2, 3, 24, 24),
    }
    terms = create_objective("defusion", pace=100)(network, batch, Step(index=300))
    features = network.encode(batch["sources"])
    fused = network.decode(network.combine(features), batch["sources"])
    images = (*network.images(features, batch["sources"]), fused)
    expected = decomposition_terms(*images, batch["reference"], batch["masks"], 30_000)
    assert {k: v.item() for k, v in terms.items()} == {k: v.item() for k, v in expected.items()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pace": 0}, "pace must be above 0, got 0"),
        ({"jitter": 2}, "jitter must be from 0 to 1, got 2"),
        ({"veils": "noise"}, "veils must be a list of one or more of noise, blur, exposure"),
        ({"veils": ["fog"]}, r"got \['fog'\]"),
        ({"cells": 0}, "cells must be a whole number from 1 to 13, got 0"),
        ({"grey": 1}, "grey must be true or false, got 1"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        create_objective("defusion", **options)


def test_networks_that_do_not_decompose_are_refused():
    with pytest.raises(InputError, match=r"defusion trains networks that decompose.* ifcnn"):
        create_objective("defusion").check_network(create_network("ifcnn"))


def test_it_learns_from_photographs_without_stride():
    objective = create_objective("defusion", jitter=1.0)
    data, validation = objective.open_data(Training(crop_size=32, limit=2), 5)
    assert validation is None
    assert (data.pass_length, data.side, data.seed) == (2, 32, 5)
    with pytest.raises(InputError, match=r"does not read training\.stride"):
        objective.open_data(Training(stride=3), 0)
