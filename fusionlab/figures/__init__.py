"""Figures for a paper: what test-time dynamic fusion sees in a sample, and how it reacts."""
