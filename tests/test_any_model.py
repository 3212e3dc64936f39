"""Any model: pixels in, posteriors out, whatever made them."""

import pytest
import torch

from vae_lib.pixels import as_unit_interval


def test_as_unit_interval():
    whole = torch.tensor([0, 51, 255], dtype=torch.uint8).repeat(28 * 28)[: 28 * 28]
    x = whole.view(1, 1, 28, 28)
    assert as_unit_interval(x).unique().tolist() == pytest.approx([0, 0.2, 1])
    assert as_unit_interval(x.double() / 255).dtype == torch.float32
    for bad, message in [
        (torch.zeros(2, 28, 28), r"expected images of shape \[B, 1, 28, 28\], got \[2, 28, 28\]"),
        (torch.full((1, 1, 28, 28), 1.5), r"pixels in \[0, 1\]"),
        (torch.full((1, 1, 28, 28), float("nan")), "NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            as_unit_interval(bad, (1, 28, 28))
    with pytest.raises(TypeError, match="int64"):
        as_unit_interval(torch.zeros(1, 1, 28, 28, dtype=torch.int64))
    assert as_unit_interval(torch.zeros(2, 3, 32, 64)).shape == (2, 3, 32, 64)
