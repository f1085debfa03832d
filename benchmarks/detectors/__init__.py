"""Detectors of observations that the simulations do not make, for any baseline, one small module each.

=============  ==========================================================================
mmd            distance of an observation's kernel embedding from that of the training set
marginal-flow  minus the log density of the data, by a flow
=============  ==========================================================================

They see what the baseline's network of sets makes of the data (its embedding), and the data themselves where there is
none. A module that defines a concrete `benchmarks.detectors.base.Detector` adds one; nothing else lists it. ``python -m
benchmarks detectors`` hands their statistics in to the scores of `shift` and `stars-shift`.
"""
