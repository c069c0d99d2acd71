import math

import pytest
import torch

from fusionlab.metrics.chen_blum import ChenBlum, chen_blum

PUBLISHED = {"paper": "mefb", "thfylsty": "zhengliu"}  # its file is a copy of zhengliu's
# Medical images, half of them black: there the rounding of the Fourier transform and of the filter
# has contrast, and that of another library, or of another kind of CPU, has another.
BLACK = dict.fromkeys(["v10", "v11", "v12", "v13", "v14", "v15"], 5e-3)
DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 3e-8  # the filter's exponentials, which each library rounds otherwise; observed 1.3e-8
FORMS = ("mefb", "zhengliu", "ivif_zoo")  # one convention for each set of options


@pytest.fixture(scope="module")
def values(triples):
    return {
        name: {c.name: ChenBlum(name).score(c.fused, c.sources).item() for c in triples}
        for name in FORMS
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ChenBlum.conventions)
def test_real_images_score_as_the_original(name, triples, values):
    form = next(form for form in FORMS if ChenBlum(form).options == ChenBlum(name).options)
    for case in triples:
        published = case.published["Qcb"]
        expected = published.get(PUBLISHED.get(name, name), published[form])  # vifb: a few
        relative = BLACK.get(case.name, SINGLE if name == "ivif_zoo" else DOUBLE)
        assert values[form][case.name] == pytest.approx(expected, rel=relative), case.name


@pytest.mark.parametrize("name", FORMS)
def test_degenerate_images_score_as_the_original_or_as_documented(name, edge_cases):
    metric = ChenBlum(name)
    for case in edge_cases:
        value = metric.score(case.fused, case.sources).item()
        expected = float(case.published["Qcb"][name])
        if case.name.startswith("fused_"):  # flat, NaN there
            expected = 0.0
        elif case.name == "A_constant_zero":  # NaN there
            expected = metric.score(case.fused, case.sources[:, 1:]).item()
        assert value == pytest.approx(expected, rel=1e-8, nan_ok=True), case.name


def test_identical_images_score_one_and_a_flat_one_zero(fused):
    assert chen_blum(fused, fused.unsqueeze(1)).tolist() == pytest.approx([1, 1, 1], abs=1e-12)
    assert chen_blum(torch.full_like(fused, 90), fused.unsqueeze(1)).tolist() == [0, 0, 0]


def test_only_flat_images_have_no_score():
    flat = torch.full((1, 1, 8, 8), 90.0)
    for name in FORMS:
        assert math.isnan(ChenBlum(name).score(flat, flat.unsqueeze(1)).item())


def test_repeated_and_swapped_sources_change_nothing(fused, sources):
    value = chen_blum(fused, sources)
    torch.testing.assert_close(chen_blum(fused, sources.repeat(1, 2, 1, 1, 1)), value)
    assert torch.equal(chen_blum(fused, sources.flip(1)), value)


def test_the_contrast_of_the_sources_weighs_them(fused, sources):
    both = torch.cat([fused.unsqueeze(1), sources[:, :1]], dim=1)
    value, other = chen_blum(fused, both), chen_blum(fused, sources[:, :1])
    assert ((other < value) & (value < 1)).all()


def test_range_layout_and_precision_do_not_matter(fused, sources):
    value = chen_blum(fused, sources, levels="8 bit")
    assert torch.equal(chen_blum(fused / 4 + 8, sources / 2, levels="8 bit"), value)
    value = chen_blum(fused, sources)
    assert torch.equal(chen_blum(fused.mT.contiguous().mT, sources.double()), value)
    parts = [chen_blum(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    torch.testing.assert_close(torch.cat(parts), value, rtol=1e-9, atol=0)


@pytest.mark.parametrize("option", ["levels", "precision"])
def test_an_unknown_option_is_refused(option, fused, sources):
    with pytest.raises(ValueError, match=f"{option} must be one of"):
        chen_blum(fused, sources, **{option: "unknown"})


def test_a_single_pixel_is_refused():
    with pytest.raises(ValueError, match="Qcb needs images of at least 2 x 2"):
        chen_blum(torch.zeros(1, 1, 1, 9), torch.zeros(1, 2, 1, 1, 9))
