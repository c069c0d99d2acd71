"""Experiments on test-time dynamic fusion: many settings of it on the same images, in one pass."""
