"""What docs/BENCHMARK.md says of units: a score estimator learns theta / task.scale, and nothing from theta in Msun."""

import functools
import re
from types import SimpleNamespace

import numpy as np
import pytest

import mwlmc_data as mw

N_OBSERVATIONS = 20


@pytest.fixture(scope="module")
def block(repository):
    """The lines of the page's section."""
    page = (repository / "docs" / "BENCHMARK.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"## Units\n.*?```python\n(.*?)```", page, flags=re.DOTALL)
    return found


@pytest.fixture(scope="module")
def quick():
    """The two methods, with a training of seconds."""
    inference = pytest.importorskip("sbi.inference", reason="sbi is not installed")
    effort = {"training_batch_size": 200, "learning_rate": 3e-3, "max_num_epochs": 60}

    class QuickNPSE(inference.NPSE):
        def train(self, **options):
            return super().train(**effort | options)

        def build_posterior(self, *arguments, **options):
            posterior = super().build_posterior(*arguments, **options)
            posterior.sample_batched = functools.partial(posterior.sample_batched, steps=100, show_progress_bars=False)
            return posterior

    class QuickNPE(inference.NPE):
        def __init__(self, prior):
            super().__init__(prior, density_estimator="mdn")

        def train(self, **options):
            return super().train(**effort | options)

    return {"NPSE": QuickNPSE, "NPE": QuickNPE}


def contraction(block, method, scale, monkeypatch):
    """Run the lines on 1,000 simulations, and give the contraction of each parameter."""
    import sbi.inference
    import torch

    task = mw.get_task("budget-1000")
    monkeypatch.setattr(sbi.inference, "NPSE", method)
    torch.manual_seed(0)
    names = {
        "task": SimpleNamespace(
            scale=scale,
            prior=task.prior,
            train=task.train,
            observations=SimpleNamespace(x=task.validation.x[:N_OBSERVATIONS]),
        )
    }
    exec(block.replace("1000", "100"), names)
    assert names["samples"].shape == (N_OBSERVATIONS, 100, 3)
    prior = task.prior.sample(20_000, seed=0).to_numpy(float)
    low, high = np.array(list(task.prior.support.values())).T
    assert ((names["samples"] > 0.999 * low - 1) & (names["samples"] < 1.001 * high + 1)).all()
    return 1 - names["samples"].astype(float).var(axis=1, ddof=1).mean(axis=0) / prior.var(axis=0)


@pytest.mark.slow
def test_a_score_estimator_learns_theta_divided_by_the_scale_alone(block, quick, monkeypatch):
    scale = mw.get_task("budget-1000").scale
    divided = contraction(block, quick["NPSE"], scale, monkeypatch)
    assert divided[0] > 0.5
    in_msun = contraction(block, quick["NPSE"], (1.0, 1.0, 1.0), monkeypatch)
    # what remains is the prior, cut once more at its walls
    assert (in_msun[:2] < 0.25).all()


def test_a_density_estimator_does_not_care(block, quick, monkeypatch):
    scale = mw.get_task("budget-1000").scale
    divided = contraction(block, quick["NPE"], scale, monkeypatch)
    in_msun = contraction(block, quick["NPE"], (1.0, 1.0, 1.0), monkeypatch)
    assert divided[0] > 0.5
    np.testing.assert_allclose(in_msun, divided, atol=0.03)
