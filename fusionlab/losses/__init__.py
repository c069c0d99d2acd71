"""Training objectives, one paper in one file.

An objective is called with the network and a batch and returns its terms by name, already
weighted: their sum is minimised. Stages of a paper live in its objective.
"""

from torch import nn

from fusionlab.losses.ifcnn import IFCNNObjective

OBJECTIVES: dict[str, type[nn.Module]] = {"ifcnn": IFCNNObjective}  # by network
