"""Config files on the command line: read strictly, and open mappings merged key by key.

Several ``--config`` and options are applied in the order of the line; of a setting that comes more
than once the last one counts. Settings that are mappings of any keys (``network.options``, ...) and
``ttd`` are merged key by key; lists are replaced as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from yaml.nodes import MappingNode, Node, ScalarNode

from fusionlab.errors import InputError
from fusionlab.settings import Conditions, Data, Metrics, Network, Trainer, Training
from fusionlab.settings.yaml_text import TRAINED, as_text, composed, is_null, merged, read_text

GROUPS = {
    "network": Network,
    "data": Data,
    "metrics": Metrics,
    "training": Training,
    "trainer": Trainer,
    "conditions": Conditions,
}
OPEN = [
    f"{group}.{field.name}"
    for group, kind in GROUPS.items()
    for field in fields(kind)
    if str(field.type).startswith("dict")
]
WANDB = {
    "project": "WANDB_PROJECT",
    "entity": "WANDB_ENTITY",
    "name": "WANDB_NAME",
    "group": "WANDB_RUN_GROUP",
    "tags": "WANDB_TAGS",
    "id": "WANDB_RUN_ID",
    "dir": "WANDB_DIR",
    "notes": "WANDB_NOTES",
}
MAPPINGS = [*OPEN, "ttd"]


def with_configs(argv: Sequence[str]) -> list[str]:
    """Arguments in which ``--config FILE`` is the file's content, merged as the module says.

    Raises:
        InputError: If a file cannot be read, is no mapping, or says something twice.
    """
    found: list[str] = []
    known: dict[str, MappingNode] = {}
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        key = name.removeprefix("--") if name.startswith("--") else ""
        if key.startswith("wandb."):
            value = value if equals or not rest else rest.pop(0)
            if key == "wandb.mode":
                found += ["--wandb", value]
            else:
                set_wandb(key.removeprefix("wandb."), value)
            continue
        one_of = next((one for one in OPEN if key.startswith(f"{one}.")), None)
        if key != "config" and key not in OPEN and one_of is None:
            found.append(argument)
            continue
        if not equals and rest:
            value = rest.pop(0)
        if key == "config":
            text = _content(value, known)
            found += ["--config", text] if text else []
        elif one_of is not None:
            found += [name, value]
            inner = composed(f"? {key.removeprefix(one_of + '.')}\n: {value}\n", name)
            known[one_of] = merged(known[one_of], inner) if one_of in known else inner
        else:
            found += [name, _merged_value(key, value, known)]
    return found


def trained_config(argv: Sequence[str]) -> Path | None:
    """The first ``--config`` that a training run wrote, if there is one."""
    for place, name in enumerate(argv):
        value = next(iter(argv[place + 1 :]), "")
        path = Path(value if name == "--config" else name.partition("=")[2])
        is_config = name == "--config" or name.startswith("--config=")
        if not is_config or not path.is_file():
            continue
        if read_text(path).startswith(TRAINED) or path.with_name("last.ckpt").exists():
            return path
    return None


def _merged_value(key: str, value: str, known: dict[str, MappingNode]) -> str:
    """A whole mapping on the line, with the keys that were given before."""
    if not value.lstrip().startswith("{"):
        return value  # no mapping: jsonargparse says so
    inner = composed(value, f"--{key}")
    known[key] = merged(known[key], inner) if key in known else inner
    known[key].flow_style = True
    return as_text(known[key]).strip()


def _content(path: str, known: dict[str, MappingNode]) -> str:
    """A config file as text, with what earlier ones said of its open mappings."""
    root = composed(read_text(path), path)
    pairs = [
        (name, value)
        for name, value in root.value
        if not (is_null(value) and name.value in GROUPS)  # its lines are commented out
    ]
    root = MappingNode(root.tag, [pair for pair in map(_without_wandb, pairs) if pair])
    for key in MAPPINGS:
        group, _, option = key.partition(".")
        parent = _value(root, group)
        node = _value(parent, option) if option and isinstance(parent, MappingNode) else parent
        if not isinstance(node, MappingNode):
            continue
        if key in known:
            node.value = merged(known[key], node).value
        known[key] = node
    return as_text(root) if root.value else ""


def _without_wandb(pair: tuple[Node, Node]) -> tuple[Node, Node] | None:
    """The section ``wandb``, where it is a mapping, as its mode alone; the rest is set."""
    key, node = pair
    if key.value != "wandb" or not isinstance(node, MappingNode):
        return pair
    mode = None
    for name, value in node.value:
        if name.value == "mode":
            mode = (key, value)
        else:
            set_wandb(name.value, value.value)
    return mode


def set_wandb(key: str, value: str) -> None:
    """What ``--wandb.KEY VALUE`` and a section ``wandb`` say, as W&B's variable ``WANDB_KEY``.

    Raises:
        InputError: If there is no such key.
    """
    if key not in WANDB:
        raise InputError(f"no option wandb.{key}; wandb takes mode, {', '.join(WANDB)}")
    os.environ[WANDB[key]] = value


def _value(node: MappingNode, name: str) -> Node | None:
    return next((v for k, v in node.value if isinstance(k, ScalarNode) and k.value == name), None)


def check_evaluates_its_training(argv: Sequence[str], checkpoint: str | None) -> None:
    """Refuse to evaluate other weights than those of the training whose config is given.

    Raises:
        InputError: If the config is of a training and there is no checkpoint.
    """
    path = trained_config(argv)
    if path is None or checkpoint is not None:
        return
    raise InputError(
        f"{path} is the config of a training, which names no weights: add --network.checkpoint "
        f"with the .safetensors of that training's folder"
    )
