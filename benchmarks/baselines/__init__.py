"""The baselines, one small module each.

=================  ==========================================================================
prior              the prior itself: what an estimator scores that has learnt nothing
linear-gaussian    a Gaussian about a linear regression
rejection-abc      the simulations whose data come nearest
mdn                neural posterior estimation (NPE) with a mixture density network
maf                NPE with a masked autoregressive flow, as in the paper
nsf                NPE with a neural spline flow
nsf-ensemble       five neural spline flows in place of one
nsf-corrected      a neural spline flow, importance-corrected by a likelihood
fmpe               flow matching posterior estimation
npse               neural posterior score estimation
nle                neural likelihood estimation, with the posterior on a grid
=================  ==========================================================================

A module that defines a concrete `benchmarks.baselines.base.Baseline` adds one; nothing else lists it, and a test holds
this table to what is found. ``python -m benchmarks suite --list`` prints them, `benchmarks.baselines.base.create` makes
one.
"""
