#!/bin/sh
# nautilus takes up a checkpoint that belongs to another likelihood or prior, and returns its posterior as that of the new one.
#
# Versions: nautilus-sampler 1.0.6, h5py 3.16.0, numpy 2.4.6.
# Behaviour: `Sampler(prior, likelihood, filepath=...)` resumes from the file if it exists. Neither the likelihood nor
#     the prior is compared with what made it: points in the unit cube and their likelihoods are kept, and only the
#     cube is mapped by the new prior. A finished run evaluates nothing and reports the old evidence.
# A good guess: An error, as soon as the names or bounds of the prior differ, or a stored point has another likelihood.
# Seen: A Gaussian at 0, and the same at 2 with the same file: mean -0.00 and ln Z -6.37 for both, 5,300 evaluations
#     for both, none of them new. With a wider prior the "posterior" lies at -13.5 in both, ln Z stays at -6.37.
# Why it matters here: A posterior of one halo's stars would be returned for another. What `mw.infer_stars` keeps with
#     `resume=` holds a hash of the stars, the selection, the prior and the settings, and refuses a file of another.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 h5py==3.16.0 nautilus-sampler==1.0.6 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import numpy as np
from nautilus import Prior, Sampler

evaluated = 0


def run(centre, bounds):
    def log_likelihood(point):
        global evaluated
        evaluated += 1
        return -0.5 * sum(((point[name] - centre) / 0.1) ** 2 for name in "xy")

    prior = Prior()
    for name in "xy":
        prior.add_parameter(name, bounds)
    sampler = Sampler(prior, log_likelihood, n_live=300, filepath="checkpoint.hdf5", seed=1)
    before = evaluated
    sampler.run(n_eff=2000)
    points, log_weights, _ = sampler.posterior()
    mean = np.average(points, weights=np.exp(log_weights), axis=0)
    print(f"centre {centre:g}, prior {bounds}: mean {mean.round(2)}, ln Z {sampler.log_z:.2f}, {evaluated - before} evaluations")
    return mean, sampler.log_z


first, log_z = run(0.0, (-3, 3))
other, other_log_z = run(2.0, (-3, 3))
wider, wider_log_z = run(2.0, (-30, 3))
unnoticed = np.array_equal(first, other) and log_z == other_log_z == wider_log_z and np.allclose(wider, -13.5, atol=0.1)
sys.exit(0 if unnoticed else 1)
EOF
"$python" -W ignore seen.py
