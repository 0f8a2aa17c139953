"""Fixtures of several modules."""

import pytest


@pytest.fixture
def one_thread():
    """torch on one thread, whose bits are the same everywhere; what was set before comes back."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
