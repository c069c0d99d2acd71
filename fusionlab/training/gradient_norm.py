"""How large the gradient is."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.optim import Optimizer


class GradientNorm(Callback):
    """Logs the l2 norm of the gradient before it is clipped, ``train/gradient_norm``.

    With several groups of parameters also that of each, ``train/gradient_norm/<group>``.
    """

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Log it; mixed precision has been unscaled by now."""
        norms = {group["name"]: gradient_norm(group["params"]) for group in optimizer.param_groups}
        total = torch.stack(list(norms.values())).norm()
        pl_module.log("train/gradient_norm", total)
        for name, norm in norms.items() if len(norms) > 1 else ():
            pl_module.log(f"train/gradient_norm/{name}", norm)


def gradient_norm(parameters: list[Tensor]) -> Tensor:
    """Root of the summed squares of all gradients, (); 0 where there is none yet."""
    norms = [one.grad.float().norm() for one in parameters if one.grad is not None]
    return torch.stack(norms).norm() if norms else parameters[0].new_zeros((), dtype=torch.float32)
