"""The baselines, one small module each.

===================  ==========================================================================
prior                the prior itself: what an estimator scores that has learnt nothing
uniform              of the task `models`: equal probabilities
linear-gaussian      a Gaussian about a linear regression
rejection-abc        the simulations whose data come nearest
mdn                  neural posterior estimation (NPE) with a mixture density network
maf                  NPE with a masked autoregressive flow, as in the paper
nsf                  NPE with a neural spline flow
nsf-ensemble         five neural spline flows in place of one
nsf-corrected        a neural spline flow, importance-corrected by a likelihood
linear-calibration   of live-64: a mixture density network whose draws a linear map of residuals corrects
fine-tuned           of live-64: a mixture density network, fine-tuned to the calibration rows
fmpe                 flow matching posterior estimation
npse                 neural posterior score estimation
nle                  neural likelihood estimation, with the posterior on a grid
bins-mdn             of sets of stars: summaries in radial bins, and a mixture density network
deepsets             of sets of stars: deep sets, and a mixture given their mean
set-transformer      of sets of stars: induced attention, and a mixture given what it pools
minimum-distance     of sets of stars: the mixture of bins-mdn given the summaries whose stars would be nearest
bins-classifier      of the task `models`: summaries in radial bins, and a network that gives probabilities
deepsets-classifier  of the task `models`: deep sets, and probabilities given their mean
===================  ==========================================================================

A module that defines a concrete `benchmarks.baselines.base.Baseline` adds one; nothing else lists it, and a test holds
this table to what is found. ``python -m benchmarks suite --list`` prints them, `benchmarks.baselines.base.create` makes
one.
"""
