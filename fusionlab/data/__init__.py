"""Data: image files, built-in scenes and training crops."""
