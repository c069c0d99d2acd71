"""How the processes of a run find each other, and whether there are as many as the settings say."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from lightning.fabric.plugins import environments
from lightning.fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
)

from fusionlab.errors import InputError
from fusionlab.settings.groups import Cluster

CLUSTERS: dict[Cluster, str] = {
    "slurm": "SLURMEnvironment",
    "torchelastic": "TorchElasticEnvironment",
    "lightning": "LightningEnvironment",
    "mpi": "MPIEnvironment",
    "lsf": "LSFEnvironment",
    "kubeflow": "KubeflowEnvironment",
}


def cluster(name: Cluster) -> ClusterEnvironment:
    """Lightning's plugin of that name, as ``trainer.plugins`` says it."""
    return getattr(environments, CLUSTERS[name])()


class _Started(NamedTuple):
    """Processes that a launcher has started, of which this is one."""

    by: str
    processes: int
    nodes: int


def check_world(strategy: Any, num_nodes: int) -> None:
    """Refuse settings for another number of processes than have been started.

    Each would otherwise work alone in a folder of its own, or wait for others that never come.

    Args:
        strategy: Of Lightning's Fabric or Trainer.
        num_nodes: Machines, as the settings say.

    Raises:
        InputError: If so.
    """
    devices = len(getattr(strategy, "parallel_devices", None) or [None])
    started = _started()
    if started is not None and (started.processes, started.nodes) != (
        devices * num_nodes,
        num_nodes,
    ):
        of_each = started.processes // started.nodes
        remedy = f"set trainer.num_nodes {started.nodes} and trainer.devices {of_each}"
        if started.processes > 1:
            remedy += " and trainer.strategy ddp"
        raise InputError(
            f"{started.by} has started {started.processes} processes on {started.nodes} "
            f"machine(s), the settings are for {devices * num_nodes} on {num_nodes}; {remedy}"
        )
    environment = getattr(strategy, "cluster_environment", None)
    if started is None and devices * num_nodes > 1 and isinstance(environment, SLURMEnvironment):
        raise InputError(
            f"{devices * num_nodes} processes are wanted and SLURM has started one; put srun "
            "before the command"
        )
    alone = environment is None or isinstance(environment, LightningEnvironment)
    if num_nodes > 1 and started is None and alone and "MASTER_ADDR" not in os.environ:
        raise InputError(
            f"trainer.num_nodes {num_nodes}: nobody tells where the other machines are; start it "
            "with torchrun or srun (docs/runs.md), or set MASTER_ADDR, MASTER_PORT and NODE_RANK"
        )


def _started() -> _Started | None:
    """What torchrun or srun says; None where this process was started alone."""
    told = os.environ
    if "TORCHELASTIC_RUN_ID" in told:
        return _Started("torchrun", int(told["WORLD_SIZE"]), int(told["GROUP_WORLD_SIZE"]))
    if "SLURM_STEP_NUM_TASKS" in told and SLURMEnvironment.detect():  # none in a shell of srun
        nodes = int(told.get("SLURM_STEP_NUM_NODES", "1"))
        return _Started("srun", int(told["SLURM_STEP_NUM_TASKS"]), nodes)
    return None
