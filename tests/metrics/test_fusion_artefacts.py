import math

import pytest
import torch

from fusionlab.metrics.fusion_artefacts import (
    FusionArtefacts,
    FusionLoss,
    fusion_artefacts,
    fusion_loss,
)

DOUBLE = 1e-8  # stored to 10 digits
ROUNDED = 2e-4  # one edge case in [0, 1], where rounding decides which of two gradients is larger
PROGRAMS = {
    "paper": "linfeng",
    "linfeng": "linfeng",
    "jileihou": "jileihou",
    "thfylsty": "thfylsty:unit_range",
    "thfylsty_unit_range": "thfylsty:unit_range",
    "ivif_zoo": "ivif_zoo",
    "topanxal": "topanxal",
}


@pytest.mark.slow
@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    metric = FusionArtefacts(convention)
    for case in triples:
        expected = case.published["Nabf"].get(PROGRAMS[convention])
        if expected is not None:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(expected, rel=DOUBLE, abs=0), case.name


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    metric = FusionArtefacts(convention)
    for case in edge_cases:
        expected = float(case.published["Nabf"][PROGRAMS[convention]])
        value = metric.score(case.fused, case.sources).item()
        is_rounded = case.name == "F=255-A" and convention.startswith("thfylsty")
        bound = ROUNDED if is_rounded else DOUBLE
        assert value == pytest.approx(expected, rel=bound, abs=1e-16, nan_ok=True), case.name


def test_a_ramp_made_twice_as_steep_is_an_artefact():
    ramp = 4 * torch.arange(9.0).expand(1, 1, 6, 9)  # g = 4, and 0 at the mirrored sides
    strength = 0.9999 / (1 + math.exp(-19 * (0.5 - 0.5)))
    quality = math.sqrt(strength * 0.9995 / (1 + math.exp(-22 * 0.5)))
    lost = 7 * 4**1.5 * (1 - quality) / (7 * 4**1.5 + 2 * 0.001)
    value = fusion_artefacts(2 * ramp, ramp[:, None]).item()
    assert value == pytest.approx(lost)


def test_a_ramp_made_half_as_steep_is_a_loss():
    ramp = 4 * torch.arange(9.0).expand(1, 1, 6, 9)
    assert fusion_artefacts(ramp / 2, ramp[:, None]).item() == 0
    orientation = 0.9995 / (1 + math.exp(-11))
    half = math.sqrt(0.9999 / 2 * orientation)
    none = math.sqrt(0.9999 / (1 + math.exp(9.5)) * orientation)
    top = 7 * 4**1.5 * (1 - half) + 2 * 0.001 * (1 - none)
    expected = top / (7 * 4**1.5 + 2 * 0.001)
    assert fusion_loss(ramp / 2, ramp[:, None]).item() == pytest.approx(expected)


def test_flat_images_have_no_artefacts_and_keep_no_gradient():
    flat = torch.full((1, 1, 5, 5), 90.0)
    assert fusion_artefacts(flat, flat[:, None]).item() == 0
    assert fusion_loss(flat, flat[:, None]).item() == pytest.approx(0.9914, abs=5e-5)


def test_artefacts_and_losses_do_not_overlap(fused, sources):
    both = fusion_artefacts(fused, sources) + fusion_loss(fused, sources)
    single = [fusion_artefacts(fused, x) + fusion_loss(fused, x) for x in sources.split(1, dim=1)]
    assert (both > torch.minimum(*single)).all()
    assert (both < torch.maximum(*single)).all()  # 1 - Σ Qw / Σ w, a mean over the sources


@pytest.mark.parametrize("convention", FusionArtefacts.conventions)
def test_order_batch_precision_and_layout_do_not_matter(convention, fused, sources):
    for score in (FusionArtefacts(convention).score, FusionLoss().score):
        value = score(fused, sources)
        assert torch.equal(score(fused, sources.flip(1)), value)
        assert torch.equal(score(fused.double(), sources.double()), value)
        assert torch.equal(score(fused.mT.contiguous().mT, sources), value)
        members = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(3)]
        assert torch.equal(torch.cat(members), value)


def test_an_unknown_option_lists_the_known_ones(fused, sources):
    with pytest.raises(ValueError, match="angle must be one of line, direction_up, got axis"):
        fusion_artefacts(fused, sources, angle="axis")
    with pytest.raises(ValueError, match="border must be one of zero, replicate, mirror, got wrap"):
        fusion_artefacts(fused, sources, border="wrap")
