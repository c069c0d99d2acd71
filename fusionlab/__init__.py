"""fusionlab: train, evaluate and improve deep image fusion networks."""

__version__ = "0.1.0"
