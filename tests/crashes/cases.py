"""Marks the cases of the crash matrix that only `.ci/run nightly` runs."""

from typing import Any

import pytest


def nightly(*values: Any, id: str | None = None) -> Any:
    """Returns a case for `parametrize` that is left out by default.

    The whole matrix starts about 450 sidecars and takes several minutes.  Every run takes the first case of each kind;
    the cases left out differ in the passing, the point or the seed only.
    """
    return pytest.param(*values, marks=pytest.mark.nightly, id=id)
