"""Training with Lightning: the module, its data, and the program ``fusionlab train``."""
