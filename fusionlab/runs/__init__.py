"""The folder of a run: its files, its rows, and every statistic, computed once."""
