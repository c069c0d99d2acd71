"""The bench: methods times samples times conditions, measured once and written as rows."""
