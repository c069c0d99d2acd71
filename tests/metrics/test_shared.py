import gc
import weakref

import pytest
import torch

from fusionlab.metrics.shared import keeping, shared, sharing


@pytest.fixture
def halved():
    """A shared function, with the list of the options of the calls that reached it."""
    calls = []

    @shared
    def halved(image, *, times=1):
        """Docstring."""
        calls.append(times)
        return image / 2**times

    halved.calls = calls
    return halved


IMAGE = torch.tensor([1.0, 3.0, 7.0]) / 3


def test_the_results_are_the_same_inside_and_outside(halved):
    outside = halved(IMAGE)
    with sharing():
        for _ in range(2):
            assert torch.equal(halved(IMAGE), outside)


def test_it_computes_once_in_a_block_and_always_outside(halved):
    with sharing():
        assert halved(IMAGE) is halved(IMAGE)
    assert len(halved.calls) == 1
    assert halved(IMAGE) is not halved(IMAGE)
    assert len(halved.calls) == 3


def test_options_make_a_difference_and_their_order_does_not():
    calls = []

    @shared
    def scaled(image, *, by=1, plus=0):
        calls.append((by, plus))
        return by * image + plus

    with sharing():
        assert torch.equal(scaled(IMAGE, by=2), 2 * IMAGE)
        assert torch.equal(scaled(IMAGE, by=3), 3 * IMAGE)
        assert scaled(IMAGE, by=2, plus=1) is scaled(IMAGE, plus=1, by=2)
    assert calls == [(2, 0), (3, 0), (2, 1)]


def test_two_functions_do_not_share(halved):
    @shared
    def doubled(image):
        return image * 2

    with sharing():
        assert torch.equal(halved(IMAGE), IMAGE / 2)
        assert torch.equal(doubled(IMAGE), IMAGE * 2)


def test_another_tensor_never_gets_the_result_of_the_first(halved):
    with sharing():
        for value in range(100):  # each may get the address of the one that is gone
            image = torch.full((3,), float(value))
            assert torch.equal(halved(image), image / 2)
            del image
    assert len(halved.calls) == 100


def test_an_equal_tensor_is_another_tensor(halved):
    with sharing():
        first, second = halved(IMAGE), halved(IMAGE.clone())
    assert first is not second
    assert torch.equal(first, second)


def test_results_of_shared_functions_are_shared_too(halved):
    with sharing():
        assert halved(halved(IMAGE)) is halved(halved(IMAGE))
    assert len(halved.calls) == 2


@pytest.mark.slow
def test_nothing_is_kept_after_the_block(halved):
    image = torch.ones(3)
    with sharing():
        result = weakref.ref(halved(image))
        assert result() is not None
        argument = weakref.ref(image)
        del image
        gc.collect()
        assert argument() is not None  # kept with its result, so that no other has its id
    gc.collect()
    assert result() is None
    assert argument() is None


def test_nothing_is_kept_after_an_error(halved):
    def stop():
        with sharing():
            halved(IMAGE)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stop()
    halved(IMAGE)
    assert len(halved.calls) == 2


def test_a_block_in_a_block_starts_empty_and_leaves_the_outer_one(halved):
    with sharing():
        first = halved(IMAGE)
        with sharing():
            assert halved(IMAGE) is not first
        assert halved(IMAGE) is first


def test_a_failure_is_not_kept():
    attempts = []

    @shared
    def fails_once(image):
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("once")
        return image

    with sharing():
        with pytest.raises(ValueError, match="once"):
            fails_once(IMAGE)
        assert fails_once(IMAGE) is IMAGE


def test_the_function_keeps_its_name_and_docstring(halved):
    assert halved.__name__ == "halved"
    assert halved.__doc__ == "Docstring."


def test_what_is_of_kept_tensors_alone_outlives_the_blocks_within(halved):
    @shared
    def difference(one, other):
        return one - other

    with keeping(IMAGE):
        for picture in (torch.ones(3), torch.zeros(3)):
            with sharing():
                assert torch.equal(halved(halved(IMAGE)), IMAGE / 4)
                assert torch.equal(halved(picture), picture / 2)
                assert torch.equal(difference(picture, halved(IMAGE)), picture - IMAGE / 2)
    assert len(halved.calls) == 2 + 2  # of the kept tensor once, of each picture once
    with sharing():
        halved(IMAGE)
    assert len(halved.calls) == 5


@pytest.mark.slow
def test_what_is_of_another_tensor_too_is_let_go(halved):
    with keeping(IMAGE):
        with sharing():
            result = weakref.ref(halved(torch.ones(3)))
        gc.collect()
        assert result() is None
