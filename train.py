"""Train a fusion network: the same as ``fusionlab train``."""

from fusionlab.cli.train import main

if __name__ == "__main__":
    main()
