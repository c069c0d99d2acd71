"""``python -m fusionlab`` is the command ``fusionlab``."""

from fusionlab.cli import main

if __name__ == "__main__":
    main()
