import math

import pytest
import torch

from fusionlab.metrics.gradient_preservation import (
    GradientPreservation,
    gradient_preservation,
    sigmoid,
)

DOUBLE = 1e-8  # stored to 10 digits; zhengliu 4.5e-9, mefb, which multiplies by 255, 5e-10
SINGLE = 1e-5  # computed in single precision; observed 1.4e-7
FLOORED = 2e-6  # zhengliu takes gradients of 0 as 1e-5 for the second source only
PROGRAMS = {
    "mefb": ("mefb", DOUBLE),
    "vifb": ("vifb", DOUBLE),
    "linfeng": ("linfeng", DOUBLE),
    "thfylsty": ("thfylsty", DOUBLE),
    "jileihou": ("jileihou", DOUBLE),
    "cddfuse": ("cddfuse_float64", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
    "thfylsty_unit_range": ("thfylsty:unit_range", DOUBLE),
    "linfeng_unit_range": ("thfylsty:unit_range", DOUBLE),  # the same program, called so
    "jileihou_qg": ("jileihou:QG", DOUBLE),
    "topanxal": ("topanxal", DOUBLE),
    "zhengliu": ("zhengliu:Xydeas", DOUBLE),
    "thfylsty_xydeas": ("zhengliu:Xydeas", DOUBLE),
}
PERFECT = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))


@pytest.mark.slow
@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = GradientPreservation(convention)
    for case in triples:
        if key in case.published["Qabf"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["Qabf"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    key, tolerance = PROGRAMS[convention]
    metric = GradientPreservation(convention)
    for case in edge_cases:
        value = metric.score(case.fused, case.sources).item()
        expected = float(case.published["Qabf"][key])
        bound = FLOORED if key == "zhengliu:Xydeas" else tolerance
        assert value == pytest.approx(expected, rel=bound, abs=1e-12, nan_ok=True), case.name


def test_the_paper_is_what_most_programs_compute(triples):
    for case in triples[:3]:
        value = gradient_preservation(case.fused, case.sources).item()
        assert value == pytest.approx(case.published["Qabf"]["linfeng"], rel=DOUBLE)


def test_a_step_of_half_the_height_has_half_the_gradient():
    source = torch.zeros(1, 1, 3, 4)
    source[..., 2:] = 80
    value = gradient_preservation(source / 2, source[:, None], border="replicate").item()
    expected = sigmoid(torch.tensor(0.5), (0.9994, 15, 0.5)) * sigmoid(
        torch.tensor(1.0), (0.9879, 22, 0.8)
    )
    assert value == pytest.approx(expected.item(), rel=1e-6)  # the constants in single precision


def test_equal_gradients_lose_nothing_if_asked_to(fused):
    value = gradient_preservation(fused, fused[:, None], equal_gradients="one")
    assert value.tolist() == pytest.approx([PERFECT] * 3)
    quirk = gradient_preservation(fused, fused[:, None])
    assert quirk.tolist() == pytest.approx([0.9994 * 0.9879 / (1 + math.exp(-4.4))] * 3)


def test_a_step_downwards_instead_of_upwards_is_no_edge_only_for_a_direction():
    source = torch.zeros(1, 1, 5, 6)
    source[..., 3:] = 80
    options = {"border": "replicate", "equal_gradients": "one"}
    for angle, agreement in (("line", 1), ("axis", 1), ("direction", -1), ("direction_up", -1)):
        value = gradient_preservation(80 - source, source[:, None], angle=angle, **options).item()
        factor = sigmoid(torch.tensor(float(agreement)).double(), (0.9879, 22, 0.8)).item()
        assert value == pytest.approx(PERFECT * factor / (0.9879 / (1 + math.exp(-4.4))))


def test_sources_without_any_edge_have_no_value(fused):
    nothing = torch.zeros_like(fused)[:, None]
    assert gradient_preservation(fused, nothing).isnan().all()
    assert GradientPreservation("topanxal").score(fused, nothing).tolist() == [0, 0, 0]


def test_a_third_source_without_edges_changes_nothing(fused, sources):
    black = torch.cat([sources, torch.zeros_like(sources[:, :1])], dim=1)
    torch.testing.assert_close(
        gradient_preservation(fused, black), gradient_preservation(fused, sources)
    )


@pytest.mark.parametrize("convention", GradientPreservation.conventions)
def test_order_batch_precision_and_layout_do_not_matter(convention, fused, sources):
    score = GradientPreservation(convention).score
    value = score(fused, sources)
    assert torch.equal(score(fused, sources.flip(1)), value)
    assert torch.equal(score(fused.double(), sources.double()), value)
    assert torch.equal(score(fused.mT.contiguous().mT, sources), value)
    members = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(torch.cat(members), value)  # atan2 may differ in the last bit


@pytest.mark.parametrize("option", ["angle", "border", "equal_gradients", "pooling", "summation"])
def test_an_unknown_option_lists_the_known_ones(option, fused, sources):
    with pytest.raises(ValueError, match=f"{option} must be one of .*, got other"):
        gradient_preservation(fused, sources, **{option: "other"})
