"""A reflex motion to infer from, and the inference without its warnings."""

import warnings

import mwlmc_data as mw

VECTOR = {"vx_travel": 4.0, "vy_travel": -3.0, "vz_travel": -30.0}


def quiet(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.infer(*args, **options)
