"""Draws from an autoregressive flow by degrees: those of the library's own inverse, number by number."""

import numpy as np
import pytest

from benchmarks.baselines import inverse
from benchmarks.baselines.inverse import MafSampler

torch = pytest.importorskip("torch", reason="torch is not installed")
neural_nets = pytest.importorskip("sbi.neural_nets", reason="sbi is not installed: there is no flow to draw from")


@pytest.fixture(autouse=True)
def double_precision():
    """Random numbers too, so that the two differ by rounding only."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def flow(model="maf", d=3, f=4, **options):
    """An untrained flow whose weights and permutations are anything."""
    with torch.random.fork_rng():
        torch.manual_seed(d)
        theta, x = 3 + 2 * torch.randn(50, d), 0.5 * torch.randn(50, f) - 1
        net = neural_nets.posterior_nn(model, **options)(theta, x)
        for weights in net.parameters():
            weights.data += 0.3 * torch.randn_like(weights)
    return net.eval(), x


def both(net, x, n):
    """Draws by degrees and by the library from the same random numbers."""
    found = []
    for sample in (MafSampler(net.net).sample, lambda n, x: net.sample((n,), x).transpose(0, 1)):
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(1)
            found.append(sample(n, x).numpy())
    return found


@pytest.mark.parametrize("d", [2, 3, 5])
@pytest.mark.parametrize("hidden, transforms, blocks", [(50, 5, 2), (7, 1, 1), (11, 3, 3)])
def test_draws_are_those_of_the_library(d, hidden, transforms, blocks):
    net, x = flow(d=d, hidden_features=hidden, num_transforms=transforms, num_blocks=blocks)
    ours, theirs = both(net, x[:6], 40)
    assert ours.shape == (6, 40, d) and np.ptp(theirs, axis=(0, 1)).min() > 0.1
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("columns", [1, 40, 90, 10_000])
def test_the_size_of_a_block_changes_nothing(columns, monkeypatch):
    net, x = flow()
    expected = both(net, x[:7], 40)[1]
    monkeypatch.setattr(inverse, "_COLUMNS", columns)
    np.testing.assert_allclose(both(net, x[:7], 40)[0], expected, rtol=1e-9, atol=1e-9)


def test_weights_are_not_changed_and_need_no_gradient():
    net, x = flow()
    before = [weights.detach().clone() for weights in net.parameters()]
    assert not MafSampler(net.net).sample(5, x[:2]).requires_grad
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_another_kind_of_flow_is_refused():
    net, _ = flow("nsf")
    with pytest.raises(TypeError, match=r"^transform = .*: allowed is PointwiseAffineTransform, "):
        MafSampler(net.net)


def test_another_activation_is_refused():
    net, _ = flow()
    net.net._transform._transforms[1].autoregressive_net.activation = torch.relu
    with pytest.raises(TypeError, match=r"^activation = .*: allowed is torch\.tanh"):
        MafSampler(net.net)


def test_blocks_with_batch_norm_are_refused():
    net, _ = flow(use_batch_norm=True)
    with pytest.raises(TypeError, match=r"^blocks = .*: allowed is feed-forward"):
        MafSampler(net.net)
