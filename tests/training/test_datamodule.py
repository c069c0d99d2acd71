from types import SimpleNamespace

import lightning as L
import pytest
import torch
from torch.utils.data import Dataset, Subset

from fusionlab.data.built_in import SceneDataset
from fusionlab.data.crops import MultiFocusCrops
from fusionlab.errors import InputError
from fusionlab.settings import Data, Training
from fusionlab.training.datamodule import FusionData

from .conftest import Noise, quiet_trainer


class Numbers(Dataset):
    """Stands in for endless crops: item k is k."""

    def __getitem__(self, index):
        return torch.tensor(index)

    def __len__(self):
        return 2**40


class Recorder(L.LightningModule):
    """Keeps what it is given in each epoch."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.epochs = []

    def on_train_epoch_start(self):
        self.epochs.append([])

    def training_step(self, batch):
        self.epochs[-1] += batch.tolist()

    def configure_optimizers(self):
        return None


def data(rank=0, world_size=1, crops=None, training=None, datasets=(), **options):
    module = FusionData(datasets, Data(**options), crops, training)
    module.trainer = SimpleNamespace(global_rank=rank, world_size=world_size)
    return module


@pytest.fixture(scope="module")
def scenes():
    return [SceneDataset(task) for task in ("mff", "vif")]


def ids(loader):
    return [name for batch in loader for name in batch["id"]]


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("world_size", [1, 2, 5])
def test_processes_together_evaluate_every_sample_once(scenes, batch_size, world_size):
    loaders = [
        data(rank, world_size, datasets=scenes, batch_size=batch_size).test_dataloader()
        for rank in range(world_size)
    ]
    for k, dataset in enumerate(scenes):
        seen = [name for of_process in loaders for name in ids(of_process[k])]
        assert sorted(seen) == sorted(dataset.ids)


def test_the_first_data_set_is_the_one_to_validate_on(scenes):
    assert sorted(ids(data(datasets=scenes).val_dataloader())) == sorted(scenes[0].ids)


def test_the_settings_reach_the_loaders():
    module = data(
        datasets=[Noise(count=5)],
        crops=Numbers(),
        training=Training(batch_size=2, batches_per_epoch=5, workers=2),
        workers=1,
        batch_size=3,
    )
    evaluation, training = module.val_dataloader(), module.train_dataloader()
    assert (evaluation.num_workers, training.num_workers) == (1, 2)
    assert list(evaluation.batch_sampler) == [[0, 1, 2], [3, 4]]
    assert (training.batch_size, len(training)) == (2, 5)


def train(epochs, workers=0, **options):
    recorder = Recorder()
    training = Training(batch_size=2, batches_per_epoch=3, workers=workers)
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(recorder, FusionData([], Data(), Numbers(), training))
    return recorder.epochs


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*no `validation_step`", "ignore:.*run with no optimizer")
@pytest.mark.filterwarnings("ignore:.*isinstance.treespec")
@pytest.mark.parametrize("workers", [0, 1])
def test_lightning_asks_for_new_crops_in_every_epoch(workers):
    assert train(3, workers) == [[*range(6)], [*range(6, 12)], [*range(12, 18)]]


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_process_gets_its_share_of_the_crops(world_size):
    training = Training(batch_size=2, batches_per_epoch=2)
    shares = [
        [
            k
            for batch in data(r, world_size, Numbers(), training).train_dataloader()
            for k in batch.tolist()
        ]
        for r in range(world_size)
    ]
    assert sorted(k for share in shares for k in share) == list(range(4 * world_size))


def test_crops_come_in_batches():
    crops = MultiFocusCrops([torch.rand(3, 40, 40)], crop_size=16)
    module = data(crops=crops, training=Training(batch_size=2, batches_per_epoch=1))
    (batch,) = module.train_dataloader()
    for key in ("sources", "reference"):
        assert batch[key].equal(torch.stack([crops[0][key], crops[1][key]]))


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_items_that_are_no_samples(world_size):
    """As an objective brings them to validate on."""
    held_out = Subset(Numbers(), range(7))
    training = Training(batch_size=2)
    loaders = [
        data(r, world_size, training=training, datasets=[held_out]).val_dataloader()
        for r in range(world_size)
    ]
    assert sorted(k for one in loaders for batch in one for k in batch.tolist()) == list(range(7))


def test_more_processes_than_batches_are_refused():
    module = data(datasets=[Noise(count=3)], batch_size=2)
    module.check_share(2)
    with pytest.raises(InputError, match=r"2 batches for 3 processes; lower trainer\.devices"):
        module.check_share(3)


def test_without_anything_to_learn_from_it_says_so():
    with pytest.raises(InputError, match="learns_from"):
        FusionData([Noise()]).train_dataloader()


def test_outside_a_trainer_one_process_sees_everything(scenes):
    module = FusionData(scenes)
    for loader, dataset in zip(module.predict_dataloader(), scenes, strict=True):
        assert ids(loader) == dataset.ids


def test_a_trainer_that_shares_out_itself_is_refused():
    data = FusionData([Noise()])
    data.trainer = quiet_trainer(devices=2, strategy="ddp")
    with pytest.raises(InputError, match="use_distributed_sampler=False"):
        data.test_dataloader()
