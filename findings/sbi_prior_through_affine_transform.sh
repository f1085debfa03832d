#!/bin/sh
# A prior rescaled by torch's AffineTransform loses its bounds, and sbi no longer rejects draws outside.
#
# Versions: sbi 0.27.0, torch 2.13.0.
# Behaviour: The support of a TransformedDistribution is the range of its last transform, for an
#     AffineTransform all real vectors. sbi checks the support before the density, so that every draw
#     counts as inside and leakage is not corrected, although the density outside is zero.
# A good guess: The support is the box in the new units.
# Seen: of (0.5, 0.5), (1.5, 0.5) and (0.5, -3) in the unit square: log_prob 0, -inf, -inf;
#     within_support True, True, True.
# Why it matters here: Dividing theta by its scale requires the prior in the same units.
#     Prior.to_torch(scale) keeps the bounds.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet torch==2.13.0 || exit 2
"$python" -m pip --disable-pip-version-check install --quiet sbi==0.27.0 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import torch
from sbi.utils import BoxUniform
from sbi.utils.sbiutils import within_support
from sbi.utils.user_input_checks import process_prior
from torch.distributions import AffineTransform, TransformedDistribution

scale = torch.tensor([1e11, 1.0])
box = BoxUniform(torch.zeros(2), scale)
divided = TransformedDistribution(box, AffineTransform(torch.zeros(2), 1 / scale, event_dim=1))
prior, *_ = process_prior(divided)
points = torch.tensor([[0.5, 0.5], [1.5, 0.5], [0.5, -3.0]])
density, inside = prior.log_prob(points).tolist(), within_support(prior, points).tolist()
print("log_prob", density, "within_support", inside)
sys.exit(0 if density[1:] == [-float("inf")] * 2 and inside == [True] * 3 else 1)
EOF
"$python" -W ignore seen.py
