"""The objectives of DeFusion++ against their authors' losses."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from fusionlab.data.pretext import MaskedPhotographs, masked, noise
from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.defusionpp import pretext_terms
from fusionlab.losses.defusionpp_mcud import Predicted, Prediction, modality_terms
from fusionlab.networks import create_network
from fusionlab.networks.defusionpp import DeFusionPP, Encoder
from fusionlab.settings import Training
from tests.networks.formula import formula_weights, read_layout
from tests.networks.test_defusionpp import value

TERMS = {  # names here and in the reference
    "common": "common",
    "unique_1": "unique_1",
    "unique_2": "unique_2",
    "fused": "fused",
    "masked": "mfm",
}


@pytest.mark.slow
def test_terms_and_gradients_of_the_authors_modules(shared):
    network = create_network("defusionpp")
    network.load_state_dict(formula_weights(read_layout(shared, "defusionpp"), value))
    with np.load(shared / "reference" / "networks" / "defusionpp_training.npz") as file:
        given = dict(file)
    image, masks = (torch.from_numpy(given[key]).float() for key in ("image", "mask"))
    rng = np.random.default_rng(int(given["normal_seed"]))
    normal = torch.from_numpy(rng.standard_normal((2, 2, 3, 224, 224)).astype(np.float32))
    image = image / 255
    batch = {"sources": masked(image, masks, noise(normal)), "masks": masks, "reference": image}
    places = torch.from_numpy(given["ids_restore"])
    terms = pretext_terms(network, batch, str(given["order"]), places)
    for ours, theirs in TERMS.items():
        assert terms[ours].item() == pytest.approx(given[f"loss_{theirs}"], rel=1e-5), ours
    total = sum(terms.values())
    assert total.item() == pytest.approx(given["loss_total"], rel=1e-5)
    total.backward()
    parameters = dict(network.named_parameters())
    for name, norm in zip(given["grad_keys"], given["grad_norms"], strict=True):
        gradient = parameters[name].grad
        if norm < 0:
            assert gradient is None, name
        else:  # those of keys' biases are 0: softmax does not see them
            assert gradient.norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-5), name


@pytest.mark.slow
@torch.no_grad()
def test_predictions_and_losses_with_the_authors_teachers(shared, tmp_path):
    """Of the authors' 898 tensors, those that are used: the teachers have decoders besides.

    In double precision: rounding of single precision alone moves them by 1e-5.
    """
    layout = read_layout(shared, "defusionpp_mcud")
    left_out = [
        k for k in layout["state_dict"] if "encoder1.decoder" in k or "encoder2.decoder" in k
    ]
    for key in left_out:
        del layout["state_dict"][key]
    state = formula_weights(layout, value)
    torch.save({"state_dict": state, "epoch": 40}, tmp_path / "mcud.pth")
    del state
    network = create_network("defusionpp", tmp_path / "mcud.pth", residual=False)
    objective = create_objective("defusionpp_mcud", trained=str(tmp_path / "mcud.pth"))
    objective.check_network(network)
    objective.prepare(network)
    with np.load(shared / "reference" / "networks" / "defusionpp_mcud_tno07.npz") as file:
        given = dict(file)
    for module in (network, objective, *objective.teachers):
        module.double()
    found = objective.predicted(network, torch.from_numpy(given["sources"]).double())
    stored = {
        "teacher": torch.stack(found.teachers, 1),
        "predicted_every3": torch.stack(found.tokens, 1)[..., ::3, ::3],
        "common_every3": torch.stack(found.common, 1)[..., ::3, ::3],
    }
    for key, tensor in stored.items():
        expected = torch.from_numpy(given[key])
        worst = ((tensor - expected).abs() / expected.abs().clamp(min=1)).max().item()
        assert worst < 1e-5, f"{key} is off by {worst}"  # relative: they are as large as 6.5
    terms = modality_terms(found)
    names = {"infrared": "modality_1", "visible": "modality_2", "common_orders": "common"}
    for ours, theirs in names.items():
        assert terms[ours].item() == pytest.approx(given[f"loss_{theirs}"], rel=1e-5)
    assert sum(terms.values()).item() == pytest.approx(given["loss_total"], rel=1e-5)


SIDE = 32
TINY = {"embed_dim": 48, "depth": 1, "num_heads": 1, "num_classes": 0, "global_pool": ""}


def vision_transformer(depth: int = 1) -> dict[str, Tensor]:
    """Weights of a tiny encoder in MAE's layout."""
    return VisionTransformer(SIDE, 16, **{**TINY, "depth": depth}).state_dict()


@pytest.fixture
def teachers(tmp_path) -> dict[str, str]:
    """Options: two files as MAE's authors write theirs, one of them with a decoder."""
    torch.manual_seed(1)
    options = {}
    for name in ("infrared", "visible"):
        state = vision_transformer()
        if name == "visible":
            state |= {"mask_token": torch.zeros(1, 1, 8), "decoder_embed.bias": torch.zeros(8)}
        torch.save({"model": state}, tmp_path / f"{name}.pth")
        options[name] = str(tmp_path / f"{name}.pth")
    return options


@pytest.fixture
def network() -> DeFusionPP:
    torch.manual_seed(0)
    return create_network("defusionpp", **DeFusionPP.small)


def batch(count: int = 2) -> dict[str, Tensor]:
    data = MaskedPhotographs([torch.rand(3, 40, 50)], SIDE)
    items = [data[k] for k in range(count)]
    found = {key: torch.stack([x[key] for x in items]) for key in ("sources", "masks", "reference")}
    return {**found, "seed": torch.tensor([x["seed"] for x in items])}


def test_what_is_random_in_a_step_follows_from_the_seed_of_its_items(network):
    objective, given = create_objective("defusionpp"), batch()
    network.train()
    torch.manual_seed(3)
    first = objective(network, given, Step())
    after = torch.rand(1)
    torch.manual_seed(4)
    again = objective(network, given, Step(index=7))
    assert {k: v.item() for k, v in first.items()} == {k: v.item() for k, v in again.items()}
    torch.manual_seed(3)
    assert torch.rand(1) == after, "the training's own numbers go on"
    other = objective(network, {**given, "seed": given["seed"] + 1}, Step())
    assert other["masked"].item() != first["masked"].item()


def test_both_orders_are_drawn(network, monkeypatch):
    objective, seen = create_objective("defusionpp"), []
    monkeypatch.setattr(
        "fusionlab.losses.defusionpp.pretext_terms",
        lambda network, batch, order, places: seen.append((order, places)) or {},
    )
    given = batch()
    for seed in range(32):
        objective(network, {**given, "seed": torch.tensor([seed, 0])}, Step())
    assert 6 < [order for order, _ in seen].count("12") < 26
    places = torch.stack([places for _, places in seen])
    assert places.shape == (32, 2, 4)
    assert places.sort(-1).values.eq(torch.arange(4)).all()
    assert (places[:, 0] != places[:, 1]).any(), "each sample has an order of its own"


def test_the_encoder_starts_from_published_weights(network, tmp_path):
    torch.manual_seed(5)
    weights = Encoder(48, 2).state_dict()
    extra = {"mask_token": torch.zeros(1, 1, 8), "decoder_norm.bias": torch.zeros(8)}
    torch.save({"model": {**weights, **extra}}, tmp_path / "tinymim.pth")
    objective = create_objective("defusionpp", encoder=str(tmp_path / "tinymim.pth"))
    objective.check_network(network)
    assert not torch.equal(network.encoder.cls_token, weights["cls_token"])
    objective.prepare(network)
    own = network.encoder.state_dict()
    assert own.keys() == weights.keys()
    assert all(torch.equal(own[key], weights[key]) for key in own)
    with torch.no_grad():
        network.encoder.cls_token.zero_()
    objective.prepare(network)
    assert not network.encoder.cls_token.any(), "a training that goes on does not start again"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: {k: s[k] for k in s if k != "norm.bias"}, "lacks norm.bias"),
        (lambda s: {**s, "head.bias": torch.zeros(1)}, "has an unknown head.bias"),
        (lambda s: {**s, "cls_token": torch.zeros(1, 1, 96)}, r"\(1, 1, 96\), not \(1, 1, 48\)"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(spoil, message, network, tmp_path):
    save_file(spoil(Encoder(48, 2).state_dict()), tmp_path / "encoder.safetensors")
    objective = create_objective("defusionpp", encoder=str(tmp_path / "encoder.safetensors"))
    with pytest.raises(InputError, match=message):
        objective.check_network(network)


def test_teachers_are_frozen_and_their_tokens_predicted(network, teachers):
    objective = create_objective("defusionpp_mcud", **teachers)
    objective.check_network(network)
    objective.prepare(network)
    given = {**batch(), "pair": torch.rand(2, 2, 3, SIDE, SIDE)}
    terms = objective.train()(network.train(), given, Step())
    assert {"common", "fused", "masked", "infrared", "visible", "common_orders"} <= terms.keys()
    sum(terms.values()).backward()
    assert all(p.grad is not None for p in objective.prediction.parameters())
    for teacher in objective.teachers:
        assert not teacher.training
        assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    assert not [key for key in objective.state_dict() if "teacher" in key]
    names = [group.name for group in objective.parameter_groups(network)]
    assert names == ["network", "prediction"]
    before = objective.prediction
    objective.prepare(network)
    assert objective.prediction is before


@torch.no_grad()
def test_norms_of_predictions_and_teachers_are_the_authors(teachers):
    objective = create_objective("defusionpp_mcud", **teachers)
    norms = [
        m for t in objective.teachers for m in t.modules() if isinstance(m, torch.nn.LayerNorm)
    ]
    assert {norm.eps for norm in norms} == {1e-6}
    prediction = Prediction(48, 96)
    own = [m for m in prediction.modules() if isinstance(m, torch.nn.LayerNorm)]
    assert [norm.eps for norm in own] == [1e-5] * 3
    assert prediction.mm_common_norm.weight is None


def test_a_perfect_prediction_costs_nothing(network):
    tokens = torch.rand(2, 5, 48), torch.rand(2, 5, 48)
    terms = modality_terms(Predicted(tokens, tokens, (tokens[0], tokens[0] + 1)))
    found = {name: term.item() for name, term in terms.items()}
    assert found == {"infrared": 0, "visible": 0, "common_orders": pytest.approx(1)}


def test_it_learns_from_photographs_and_pairs(teachers):
    objective = create_objective("defusionpp_mcud", **teachers)
    data, validation = objective.open_data(Training(crop_size=SIDE, limit=2), 0)
    assert validation is None
    item = data[3]
    assert item["pair"].shape == item["sources"].shape == (2, 3, SIDE, SIDE)
    assert torch.equal(item["pair"], data[3]["pair"])
    infrared = item["pair"][0]
    assert torch.equal(infrared[0], infrared[1]), "the infrared image comes first, and is grey"
    with pytest.raises(InputError, match=r"see 32 pixels a side; set training\.crop_size to it"):
        objective.open_data(Training(crop_size=64), 0)


def test_teachers_are_asked_for(tmp_path: Path, teachers):
    with pytest.raises(InputError, match=r"two teachers: set training\.options\.infrared"):
        create_objective("defusionpp_mcud", visible=teachers["visible"])
    with pytest.raises(InputError, match="leave infrared and visible out"):
        create_objective("defusionpp_mcud", trained="x.pth", **teachers)
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="holds no encoder of a masked autoencoder"):
        create_objective("defusionpp_mcud", **{**teachers, "infrared": str(tmp_path / "other.pth")})
    torch.save(vision_transformer(2) | {"norm.more": torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.raises(InputError, match=r"has an unknown norm\.more"):
        create_objective("defusionpp_mcud", **{**teachers, "infrared": str(tmp_path / "more.pth")})
