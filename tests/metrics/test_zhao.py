import math

import pytest
import torch

from fusionlab.metrics.zhao import Zhao, zhao

SINGLE = 1e-6  # half of the program is in single precision here
PUBLISHED = {"paper": "mefb", "thfylsty": "zhengliu"}  # its file is a copy of zhengliu's


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(5)
    fused = torch.randint(0, 256, (2, 1, 32, 31), generator=generator).float()
    return fused, torch.randint(0, 256, (2, 2, 1, 32, 31), generator=generator).float()


def check(triples):
    for case in triples:
        value = zhao(case.fused, case.sources).item()
        for name in Zhao.conventions:
            assert not Zhao(name).options  # so that it is their value
            expected = case.published["Qp"][PUBLISHED.get(name, name)]
            assert value == pytest.approx(expected, rel=SINGLE), (case.name, name)


@pytest.mark.slow
def test_real_images_score_as_the_originals(triples):
    check(triples[::4])


@pytest.mark.slow
def test_all_real_images_score_as_the_originals(triples):
    check(triples)


@pytest.mark.slow
def test_degenerate_images_score_as_the_original_or_as_documented(edge_cases):
    for case in edge_cases:
        value = zhao(case.fused, case.sources).item()
        expected = float(case.published["Qp"]["mefb"])
        if case.name.startswith("fused_"):  # flat, NaN there
            expected = 0.0
        elif case.name == "A_constant_zero":  # NaN there
            assert zhao(case.fused, case.sources[:, 1:]).item() <= value <= 1
            continue
        assert value == pytest.approx(expected, rel=10 * SINGLE, nan_ok=True), case.name


def test_a_flat_fused_image_scores_zero_and_flat_sources_have_no_score(pair):
    fused, sources = pair
    assert zhao(torch.full_like(fused, 90), sources).tolist() == [0, 0]
    assert math.isnan(zhao(fused[:1], torch.full((1, 2, 1, 32, 31), 90.0)).item())
    assert math.isnan(zhao(torch.full_like(fused[:1], 90), torch.full((1, 2, 1, 32, 31), 9.0)))


def test_the_fused_image_itself_is_the_best_source_and_inversion_changes_nothing(pair):
    fused, sources = pair
    assert (zhao(fused, fused.unsqueeze(1)) > 2 * zhao(fused, sources)).all()
    value = zhao(fused, sources)
    torch.testing.assert_close(zhao(255 - fused, sources), value)
    torch.testing.assert_close(zhao(fused, 255 - sources), value)


def test_one_more_source_that_is_the_same_changes_nothing(pair):
    fused, sources = pair
    value = zhao(fused, sources)
    torch.testing.assert_close(zhao(fused, sources.repeat(1, 2, 1, 1, 1)), value)
    torch.testing.assert_close(zhao(fused, sources.flip(1)), value)


def test_batches_layouts_and_precisions_do_not_matter(pair):
    fused, sources = pair
    value = zhao(fused, sources)
    parts = [zhao(fused[i : i + 1], sources[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(torch.cat(parts), value, rtol=1e-9, atol=0)
    assert torch.equal(zhao(fused.mT.contiguous().mT, sources.double()), value)


def test_a_smaller_image_is_refused():
    image = torch.rand(1, 1, 7, 20)
    with pytest.raises(ValueError, match="Qp needs images of at least 8 x 8"):
        zhao(image, image.unsqueeze(1))
