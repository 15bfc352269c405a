"""Compares this SDK with the last client of the hosted service, on the pipelines in `tests/fixtures/pipelines`."""
