"""Mode "paper" is sbi's run_tarp and check_tarp: the same numbers from the same inputs."""

import numpy as np
import pytest

from mwlmc_data import scoring

torch = pytest.importorskip("torch", reason="sbi is not installed: nothing to compare with")
pytest.importorskip("sbi", reason="sbi is not installed: nothing to compare with")


@pytest.mark.parametrize("width, bias", [(1.0, 0.0), (0.7, 0.0), (1.5, 0.0), (1.0, 0.6)])
def test_paper_mode_equals_sbi(width, bias):
    from sbi.diagnostics.tarp import _run_tarp, check_tarp

    rng = np.random.default_rng(3)
    truth = rng.normal(size=(640, 3))
    samples = truth[:, None] + rng.normal(size=(640, 1, 3)) + width * rng.normal(size=(640, 200, 3)) + bias
    references = scoring.draw_references(truth, 5)
    ours = scoring.tarp(samples, truth, references, mode="paper")
    ecp, alpha = _run_tarp(
        torch.tensor(samples).transpose(0, 1),
        torch.tensor(truth),
        torch.tensor(references),
        z_score_theta=True,
    )
    area, p = check_tarp(ecp, alpha)
    # sbi keeps the coverage fractions in single precision, which moves no more than one of them across a bin
    # edge.
    np.testing.assert_allclose(ours.credibility, alpha.numpy(), atol=1e-6)
    np.testing.assert_allclose(ours.coverage, ecp.numpy(), atol=4 / 640)
    assert ours.area == pytest.approx(area, abs=1e-3)
    assert ours.ks_pvalue == pytest.approx(p, abs=0.05)
