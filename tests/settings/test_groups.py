import math

import pytest

from fusionlab.errors import InputError
from fusionlab.settings import Data, Network, Trainer, Training


@pytest.mark.parametrize(
    ("group", "given", "reason"),
    [
        (Network, {"name": "ifccn"}, r"network\.name must be one of .*ifcnn.*, got 'ifccn'"),
        (Network, {"options": {"name": "a"}}, "options.name is no option; set network.name"),
        (Data, {"layout": "piles"}, r"data\.layout must be one of subfolders, scenes, suffixes"),
        (Data, {"root": "a", "sources": []}, "one or more different sources"),
        (Data, {"root": "a", "sources": ["vi", "vi"]}, "one or more different sources"),
        (Data, {"name": "TNO"}, "needs data.root, the folder that holds it"),
        (Data, {"name": "TNO", "root": "a", "split": "test"}, "split is settled by data.name TNO"),
        (Data, {"verify_hashes": False}, "verify_hashes needs data.name"),
        (Data, {"reference": "gt"}, "reference needs data.root: built-in scenes have their own"),
        (Data, {"batch_size": 0}, r"data\.batch_size must be at least 1"),
        (Data, {"workers": -1}, r"data\.workers must be at least 0"),
        (Training, {"objective": "gan"}, r"training\.objective must be one of .*ifcnn.*'gan'"),
        (Training, {"crop_size": 15}, r"training\.crop_size must be at least 16"),
        (Training, {"limit": 0}, r"training\.limit must be at least 1"),
        (Training, {"lr": math.nan}, r"training\.lr must be at least 0"),
        (Training, {"hold_batch_norm": 1.5}, "hold_batch_norm is at least 0, at most 1, got 1.5"),
        (Trainer, {"max_epochs": 0}, r"trainer\.max_epochs must be at least 1"),
        (Trainer, {"max_steps": 0}, r"trainer\.max_steps must be at least 1, or -1, got 0"),
        (Trainer, {"gradient_clip_val": 0.0}, "gradient_clip_val must be above 0, got 0.0"),
        (Trainer, {"limit_test_batches": 0}, "limit_test_batches must be above 0, got 0"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused(group, given, reason):
    with pytest.raises(InputError, match=reason):
        group(**given)


def test_an_objective_may_be_none_at_all():
    assert Training(objective="none").objective == "none"
