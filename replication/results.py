"""Everything that the replication page says, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusionlab.laboratory.replication.dominability import Probed
from fusionlab.laboratory.replication.measure import Measured
from fusionlab.settings import TTD


@dataclass(frozen=True)
class Results:
    """What was measured, and with what.

    Args:
        command: What made it, without paths.
        settings: TTD settings by label.
        probed: Those whose RD is probed, besides the default.
        data: On data sets, by checkpoint.
        truth: On scenes with a ground truth, by checkpoint, the package's own too.
        noise: With noise on the parameters, by checkpoint, data set and level above 0.
        times: Times, by checkpoint, and of untrained networks.
        dominability: How RD answers to probes, by checkpoint and data set.
        at_hand: Images that each data set has here, used or not.
        data_hashes: SHA-256 of the images used, by data set.
        weight_hashes: SHA-256 by checkpoint.
        provenance: Versions and commit.
        kept: Rows of these values that an earlier run had computed.
    """

    command: str
    settings: Mapping[str, TTD]
    probed: Mapping[str, TTD]
    data: Sequence[Measured]
    truth: Sequence[Measured]
    noise: Sequence[Measured]
    times: Sequence[Measured]
    dominability: Sequence[Probed]
    at_hand: Mapping[str, int]
    data_hashes: Mapping[str, str]
    weight_hashes: Mapping[str, str]
    provenance: Mapping[str, Any]
    kept: int

    @property
    def weights(self) -> list[str]:
        """Names of the given checkpoints."""
        return list(dict.fromkeys(one.weights for one in self.data))
