"""Benchmarks: the sidecar beside a bare Python loop (and FastAPI and huey, where installed), in one run.

Run `uv run python -m tests.bench`.  Nothing here is a test of speed: figures drift by a third from run to run, so they
are printed beside their targets and never asserted.
"""
