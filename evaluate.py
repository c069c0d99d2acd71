"""Evaluate fusion methods: the same as ``fusionlab evaluate``."""

from fusionlab.cli.evaluate import main

if __name__ == "__main__":
    main()
