"""Runs logged to Weights & Biases, online or on disk; nothing here can stop a run."""
