"""Measure what the TTD paper publishes, and set it beside the paper's figures on one page."""
