"""Measure what the TTD paper publishes, and write what comes out beside it as one page."""
