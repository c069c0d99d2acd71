"""Fuse a user's own pictures, folders of them or videos, without a data set."""
