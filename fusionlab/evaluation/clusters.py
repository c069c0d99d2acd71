"""How the processes of a run find each other, by name."""

from __future__ import annotations

from lightning.fabric.plugins import environments
from lightning.fabric.plugins.environments import ClusterEnvironment

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
