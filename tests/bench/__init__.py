"""Benchmarks: the sidecar, a bare Python loop and, if installed, FastAPI and huey, measured in the same run.

Run `uv run python -m tests.bench`.  Figures vary by a third from run to run, so they are printed next to their targets
and never asserted; the tests only check that each benchmark runs.
"""
