"""The published measurements of the reflex motion, and the observed LMC.

Every number here was read where the entry's `place` and `read` say. A paper of which only the abstract could be read
has only what the abstract says.
"""

from __future__ import annotations

import math
from typing import Any

from mwlmc_data.arguments.arrays import as_choice
from mwlmc_data.observations import works
from mwlmc_data.observations.conventions import convert_dipole
from mwlmc_data.observations.observation import Observation
from mwlmc_data.simulator.limits import OBSERVED_LMC, SKY_NAMES

#: Order of the numbers of a fit of nine parameters, in the sources' order.
_FITTED = (
    "l_apex", "b_apex", "v_travel", "mean_v_r", "mean_v_phi", "mean_v_theta", "sigma_v_los", "sigma_v_l", "sigma_v_b",
)  # fmt: skip
_AS_THEY_ARE = (
    "none needed: v_travel is the speed of the disc relative to the stars, the apex is where it is going, theta is the "
    "colatitude; the model is that of mwlmc_data.simulator.reflex"
)
_ABSTRACT = "abstract"


def _fit(*numbers: tuple[float, ...]) -> dict[str, Any]:
    """Values and errors of a fit, from (value, error) or (value, upwards, downwards) in the order of `_FITTED`."""
    rows = dict(zip(_FITTED, numbers, strict=True))
    return {
        "values": {name: row[0] for name, row in rows.items()},
        "upper": {name: row[1] for name, row in rows.items()},
        "lower": {name: row[-1] for name, row in rows.items()},
    }


_PETERSEN: dict[str, Any] = {
    "title": "Petersen & Peñarrubia 2021",
    "version": "arXiv:2011.10581v1",
    "references": (works.PETERSEN_2021,),
    "convention": _AS_THEY_ARE + "; errors are half the widths from the 16.7th to the 83.3rd percentile",
}
_PETERSEN_TABLE: dict[str, Any] = {
    "place": "table of posteriors",
    "read": "printed by the authors' program Posterior-Plots.ipynb, github.com/michael-petersen/ReflexMotion@1e6d1ff",
}
_YAAQIB: dict[str, Any] = {
    "title": "Yaaqib, Petersen & Peñarrubia 2024",
    "version": "arXiv:2402.10841",
    "place": "Table 2",
    "read": "table2_results() of the authors' genreflex.py, github.com/RYaaqib/reflexcalc@8d077cf",
    "tracers": "K giants and blue horizontal branch stars",
    "references": (works.YAAQIB_2024,),
    "convention": _AS_THEY_ARE,
}
_REFIT: dict[str, Any] = {
    "place": "results/RESULTSsgr.md of github.com/RYaaqib/reflexcalc@8d077cf, not the paper",
    "read": "the authors' later fit of the K giants whose table they publish; they quote the lower errors alone, which "
    "stand for both",
    "tracers": "K giants",
}
_BROOKS_2026: dict[str, Any] = {
    "title": "Brooks et al. 2026",
    "place": _ABSTRACT,
    "radius": 100.0,
    "reach": 160.0,
    "tracers": "stars of H3, SEGUE and MagE",
    "references": (works.BROOKS_2026,),
    "convention": "none needed: a speed, masses and the anisotropy before infall. The direction is not in the abstract",
}

_OBSERVATIONS: tuple[Observation, ...] = (
    Observation(
        name="petersen21",
        **_PETERSEN,
        **_fit((56, 9), (-34, 10, 9), (32, 4), (-18, 4), (-20, 5, 4), (14, 5), (93, 2), (81, 4), (76, 3)),
        r_min=40.0,
        r_max=120.0,
        tracers="K giants, blue horizontal branch stars and satellites",
        place=f"{_ABSTRACT}, and {_PETERSEN_TABLE['place']}",
        read=_PETERSEN_TABLE["read"],
        quoted="the Milky Way disc is moving with respect to stellar tracers in the outer halo (40 < r < 120 kpc) at "
        "v_travel = 32 +4 -4 km/s, in the direction (l, b)_apex = (56 +9 -9, -34 +10 -9) degrees",
    ),
    Observation(
        name="petersen21-kgiants",
        **_PETERSEN,
        **_PETERSEN_TABLE,
        **_fit((53, 9), (-28, 10, 9), (35, 5), (-17, 5), (-22, 5), (18, 6), (94, 3), (81, 4), (71, 3)),
        r_min=40.0,
        r_max=math.inf,
        n_stars=543,
        tracers="K giants",
    ),
    Observation(
        name="petersen21-bhb",
        **_PETERSEN,
        **_PETERSEN_TABLE,
        **_fit((59, 25, 24), (-42, 19, 16), (26, 9), (-22, 8), (-9, 9), (-2, 10, 9), (91, 3, 4), (76, 8), (96, 8, 7)),
        r_min=40.0,
        r_max=math.inf,
        n_stars=292,
        tracers="blue horizontal branch stars",
    ),
    Observation(
        name="petersen21-kgiants-refit",
        **{**_PETERSEN, "convention": _AS_THEY_ARE},
        **_REFIT,
        **_fit((51, 10), (-34, 11), (35, 6), (-16, 5), (-26, 6), (15, 6), (94, 3), (80, 5), (73, 4)),
        r_min=40.0,
        r_max=math.inf,
        reach=125.3,
        n_stars=558,
    ),
    Observation(
        name="yaaqib24-20-30",
        **_YAAQIB,
        **_fit((120, 9, 8), (19, 11, 12), (16, 2), (8, 3), (-11, 2), (-9, 3), (103, 2), (76, 1), (61, 1)),
        r_min=20.0,
        r_max=30.0,
    ),
    Observation(
        name="yaaqib24-30-40",
        **_YAAQIB,
        **_fit((139, 32, 31), (-59, 15, 12), (17, 5), (-10, 4), (-13, 4), (9, 5), (98, 2), (78, 2), (83, 3, 2)),
        r_min=30.0,
        r_max=40.0,
    ),
    Observation(
        name="yaaqib24-40-50",
        **_YAAQIB,
        **_fit((64, 23, 24), (-47, 20, 16), (23, 7), (-27, 7), (-20, 6), (20, 8, 7), (100, 4), (85, 4), (96, 4)),
        r_min=40.0,
        r_max=50.0,
        n_stars=446,
    ),
    Observation(
        name="yaaqib24-50",
        **_YAAQIB,
        **_fit((38, 11), (-37, 11, 10), (40, 7), (-9, 7, 6), (-24, 6), (17, 7), (87, 4), (70, 5, 4), (74, 5)),
        r_min=50.0,
        r_max=math.inf,
        reach=200.0,
        n_stars=340,
        quoted="20-30, 30-40, 40-50 and 50+ kpc (genreflex.py); the outermost edge of the bins is 200 kpc",
    ),
    Observation(
        name="yaaqib24-50-kgiants-refit",
        **{**_YAAQIB, **_REFIT},
        **_fit((40, 11), (-36, 13), (40, 7), (-5, 7), (-30, 6), (19, 8), (88, 5), (61, 5), (70, 5)),
        r_min=50.0,
        r_max=math.inf,
        reach=125.3,
        n_stars=253,
    ),
    Observation(
        name="bystrom25",
        title="Byström et al. 2025",
        values={**convert_dipole(-34.0, -72.7, -52.9), "mean_v_r": -23.5, "sigma_v_los": 90.5},
        r_min=50.0,
        r_max=120.0,
        tracers="blue horizontal branch stars of DESI and SDSS, radial velocities alone",
        version="arXiv:2410.09149v1; MNRAS 542, 560",
        place="Table 1",
        read="the authors' tutorial, which names Table 1 and the radii, github.com/abystrom/"
        "apex-likelihood-fitting@a803fe4, and the abstract. The errors of Table 1 could not be read and are absent",
        quoted="v_compr -23.5, v_dipole -34.0, l_apex -72.7, b_apex -52.9, sigma 90.5; its dipole component is "
        "directed at a point 22 deg away from the LMC along its orbit, which we interpret as the travel direction of "
        "the inner MW",
        convention="eq. 10, v_compr + v_dipole cos(angle from the apex), of velocities in the Galactic standard of "
        "rest: v_travel is minus the negative v_dipole, and v_compr stands for mean_v_r, as these stars are far away",
        references=(works.BYSTROM_2025,),
    ),
    Observation(
        name="chandra25",
        title="Chandra et al. 2025",
        values={"v_travel": 40.0},
        r_min=50.0,
        r_max=160.0,
        radius=100.0,
        tracers="red giants",
        version="arXiv:2406.01676v2",
        place=_ABSTRACT,
        read="the abstract alone, which gives neither errors nor a direction in numbers",
        quoted="relative to halo stars at 100 kpc, the inner MW is lurching at about 40 km/s towards a recent location "
        "along the LMC's past orbit",
        convention="none needed: a speed",
        references=(works.CHANDRA_2025,),
    ),
    Observation(
        name="brooks25",
        title="Brooks et al. 2025, applied to data",
        values={"v_travel": 26.4, "m_lmc_50": 9.2e10, "m_mw_50": 4.4e11},
        lower={"v_travel": 4.4, "m_lmc_50": 2.3e10, "m_mw_50": 0.7e11},
        upper={"v_travel": 5.5, "m_lmc_50": 1.9e10, "m_mw_50": 0.7e11},
        tracers="stars of H3, SEGUE and MagE",
        version="arXiv:2510.04735v1",
        place=_ABSTRACT,
        read="the abstract alone, which gives no shell",
        quoted="a reflex motion velocity, the speed at which the MW lurches towards the LMC, of 26.4 +5.5 -4.4 km/s, "
        "M_LMC(<50 kpc) = 9.2 +1.9 -2.3 e10 Msun, M_MW(<50 kpc) = 4.4 +0.7 -0.7 e11 Msun",
        convention="none needed: a speed and masses. The direction is not in the abstract",
        references=(works.BROOKS_2025_DATA,),
    ),
    Observation(
        name="brooks26",
        **_BROOKS_2026,
        values={"v_travel": 38.6, "m_lmc_50": 8.76e10, "m_mw_50": 3.36e11, "beta0": 0.68},
        lower={"v_travel": 7.8, "m_lmc_50": 1.77e10, "m_mw_50": 0.15e11, "beta0": 0.02},
        upper={"v_travel": 8.3, "m_lmc_50": 1.94e10, "m_mw_50": 0.15e11, "beta0": 0.02},
        version="arXiv:2603.08788v2",
        read="the abstract of the second version, which differs from the first (brooks26-v1)",
        quoted="Relative to halo stars at 100 kpc, v_travel = 38.6 +8.3 -7.8 km/s, M_MW(<50 kpc) = 3.36 +- 0.15 e11 "
        "Msun, M_LMC(<50 kpc) = 8.76 +1.94 -1.77 e10 Msun, beta_0 = 0.68 +- 0.02",
    ),
    Observation(
        name="brooks26-v1",
        **_BROOKS_2026,
        values={"v_travel": 39.4, "m_lmc_50": 9.74e10, "m_mw_50": 3.63e11, "beta0": 0.61},
        lower={"v_travel": 7.2, "m_lmc_50": 1.81e10, "m_mw_50": 0.16e11, "beta0": 0.03},
        upper={"v_travel": 7.6, "m_lmc_50": 2.07e10, "m_mw_50": 0.16e11, "beta0": 0.03},
        version="arXiv:2603.08788v1",
        read="the abstract of the first version, superseded by brooks26",
        quoted="Relative to halo stars at 100 kpc, v_travel = 39.4 +7.6 -7.2 km/s, M_MW(<50 kpc) = 3.63 +- 0.16 e11 "
        "Msun, M_LMC(<50 kpc) = 9.74 +2.07 -1.81 e10 Msun, beta_0 = 0.61 +- 0.03",
    ),
    Observation(
        name="li26",
        title="Li et al. 2026",
        values={"mean_v_r": -19.0},
        ranges={"v_travel": (19.0, 44.0)},
        r_min=50.0,
        r_max=math.inf,
        reach=160.0,
        tracers="K giants of DESI",
        version="arXiv:2604.01628v1",
        place=_ABSTRACT,
        read="the abstract alone, which gives neither errors nor a direction; 160 kpc are those of the whole sample",
        quoted="the outer halo (>50 kpc) is simultaneously contracting (~-19 km/s, distance-independent) and subject "
        "to reflex motions (increases from -19 to -44 km/s with radius)",
        convention="a dipole plus contraction, as in bystrom25: a negative dipole is a disc moving towards its apex",
        references=(works.LI_2026,),
    ),
)

# The statistical and the systematic error of the distance, 0.09 and 0.54 kpc, count as independent.
_LMC_ERRORS = dict(zip(SKY_NAMES, (0.52, 0.25, math.hypot(0.09, 0.54), 3.4, 0.020, 0.047), strict=True))
_LMC: tuple[Observation, ...] = (
    Observation(
        name="kallivayalil13",
        title="Kallivayalil et al. 2013 and others",
        values=dict(zip(SKY_NAMES, OBSERVED_LMC, strict=True)),
        lower=_LMC_ERRORS,
        upper=_LMC_ERRORS,
        version="arXiv:1301.0832v1 (proper motion), arXiv:1903.08096 (distance), arXiv:1305.4641 (centre), "
        "arXiv:astro-ph/0205161 (velocity)",
        place="abstracts of the proper motion and of the distance",
        read="centre and line-of-sight velocity in lmc.yaml of the Local Volume Database, release v1.1.1, which names "
        "the two papers",
        quoted="mu_W = -1.910 +- 0.020 mas/yr, mu_N = 0.229 +- 0.047 mas/yr; 49.59 +- 0.09 (statistical) +- 0.54 "
        "(systematic) kiloparsecs",
        convention="pm_ra is minus mu_W, which points to the west; ICRS, pm_ra includes cos dec",
        references=(
            works.KALLIVAYALIL_2013,
            works.PIETRZYNSKI_2019,
            works.VAN_DER_MAREL_2014,
            works.VAN_DER_MAREL_2002,
        ),
    ),
    Observation(
        name="vasiliev",
        title="Vasiliev's choice",
        values=dict(zip(SKY_NAMES, (81.28, -69.78, 49.6, 262.2, 1.858, 0.385), strict=True)),
        version="github.com/GalacticDynamics-Oxford/Agama@4e62db6",
        place="py/example_lmc_mw_interaction.py",
        read="the program, which gives no errors and names its sources; Vasiliev (2023) itself could not be read",
        quoted="PM from Luri+ 2021, distance from Pietrzynski+ 2019, center and velocity from van der Marel+ 2002",
        convention="none needed: ICRS, pm_ra includes cos dec",
        references=(works.AGAMA, works.GAIA_2021, works.PIETRZYNSKI_2019, works.VAN_DER_MAREL_2002),
    ),
)


def load_observations() -> dict[str, Observation]:
    """Return the published measurements of the reflex motion by name.

    Returns
    -------
    dict of str to Observation

    Examples
    --------
    >>> load_observations()["chandra25"]
    <Observation: chandra25, Chandra et al. 2025; v_travel 40 km/s; red giants at 50 to 160 kpc; arXiv:2406.01676v2>
    """
    return {observation.name: observation for observation in _OBSERVATIONS}


def load_observation(name: str) -> Observation:
    """Return one published measurement of the reflex motion.

    Parameters
    ----------
    name : str
        A key of `load_observations`.

    Returns
    -------
    Observation
        As `mwlmc_data.infer` takes it.

    Raises
    ------
    ValueError
        If there is no such measurement.
    """
    found = load_observations()
    return found[as_choice("name", name, tuple(found))]


def load_lmc(name: str = "kallivayalil13") -> Observation:
    """Return the LMC's observed present day.

    Parameters
    ----------
    name : {"kallivayalil13", "vasiliev"}
        "kallivayalil13": the values that `Parameters` and `infer` use by default, with their errors: proper motion of
        Kallivayalil et al. (2013), centre of van der Marel & Kallivayalil (2014) that belongs to it, distance of
        Pietrzyński et al. (2019), line-of-sight velocity of van der Marel et al. (2002). "vasiliev": those of
        Vasiliev's program, with the proper motion of Gaia EDR3 (Luri et al. 2021); it gives no errors.

    Returns
    -------
    Observation
        Its values are ra_lmc, dec_lmc [deg], distance_lmc [kpc], v_los_lmc [km/s], pm_ra_lmc, pm_dec_lmc [mas/yr];
        ``infer(..., lmc=...)`` takes it.

    Raises
    ------
    ValueError
        If there is no such choice.
    """
    found = {observation.name: observation for observation in _LMC}
    return found[as_choice("name", name, tuple(found))]
