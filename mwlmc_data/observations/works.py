"""The works that the observations and tables of stars are from."""

from __future__ import annotations

from mwlmc_data.citation import SOFTWARE, make_article, make_preprint

PETERSEN_2021 = make_article(
    "Petersen2021",
    ("Petersen, Michael S.", "Peñarrubia, Jorge"),
    "Detection of the Milky Way reflex motion due to the Large Magellanic Cloud infall",
    2021,
    "Nature Astronomy",
    "5",
    "251",
    "10.1038/s41550-020-01254-3",
)
YAAQIB_2024 = make_preprint(
    "Yaaqib2024",
    ("Yaaqib, Rashid", "Petersen, Michael S.", "Peñarrubia, Jorge"),
    "The radial variation of the LMC-induced reflex motion of the Milky Way disc observed in the stellar halo",
    2024,
    "2402.10841",
)
BYSTROM_2025 = make_article(
    "Bystrom2025",
    ("Byström, Amanda", "Koposov, Sergey E.", "Lilleengen, Sophia", "Li, Ting S.", "others"),
    "Exploring the interaction between the MW and LMC with a large sample of blue horizontal branch stars from the "
    "DESI survey",
    2025,
    "Monthly Notices of the Royal Astronomical Society",
    "542",
    "560-582",
    "10.1093/mnras/staf1219",
)
CHANDRA_2025 = make_preprint(
    "Chandra2025",
    ("Chandra, Vedant", "Naidu, Rohan P.", "Conroy, Charlie", "Garavito-Camargo, Nicolas", "others"),
    "All-Sky Kinematics of the Distant Halo: The Reflex Response to the LMC",
    2025,
    "2406.01676",
)
BROOKS_2025_DATA = make_preprint(
    "Brooks2025data",
    (
        "Brooks, Richard A. N.",
        "Sanders, Jason L.",
        "Chandra, Vedant",
        "Garavito-Camargo, Nicolás",
        "Dillamore, Adam M.",
        "Price-Whelan, Adrian M.",
        "Ting, Yuan-Sen",
    ),
    "The Milky Way - Large Magellanic Cloud Interaction with Simulation Based Inference",
    2025,
    "2510.04735",
)
BROOKS_2026 = make_preprint(
    "Brooks2026",
    (
        "Brooks, Richard A. N.",
        "Sanders, Jason L.",
        "Dillamore, Adam M.",
        "Garavito-Camargo, Nicolás",
        "Chandra, Vedant",
        "Price-Whelan, Adrian M.",
        "Cargile, Phillip",
    ),
    "Quantifying the Milky Way, LMC and their interaction using all-sky kinematics of outer halo stars",
    2026,
    "2603.08788",
)
LI_2026 = make_preprint(
    "Li2026",
    ("Li", "others"),
    "The velocity field of our Milky Way outer stellar halo based on DESI DR2",
    2026,
    "2604.01628",
)
KALLIVAYALIL_2013 = make_article(
    "Kallivayalil2013",
    ("Kallivayalil, Nitya", "van der Marel, Roeland P.", "Besla, Gurtina", "Anderson, Jay", "Alcock, Charles"),
    "Third-epoch Magellanic Cloud Proper Motions. I. Hubble Space Telescope/WFC3 Data and Orbit Implications",
    2013,
    "The Astrophysical Journal",
    "764",
    "161",
    "10.1088/0004-637X/764/2/161",
)
VAN_DER_MAREL_2014 = make_article(
    "vanderMarel2014",
    ("van der Marel, Roeland P.", "Kallivayalil, Nitya"),
    "Third-epoch Magellanic Cloud Proper Motions. II. The Large Magellanic Cloud Rotation Field in Three Dimensions",
    2014,
    "The Astrophysical Journal",
    "781",
    "121",
    "10.1088/0004-637X/781/2/121",
)
VAN_DER_MAREL_2002 = make_article(
    "vanderMarel2002",
    ("van der Marel, Roeland P.", "Alves, David R.", "Hardy, Eduardo", "Suntzeff, Nicholas B."),
    "New Understanding of Large Magellanic Cloud Structure, Dynamics, and Orbit from Carbon Star Kinematics",
    2002,
    "The Astronomical Journal",
    "124",
    "2639-2663",
    "10.1086/343775",
)
PIETRZYNSKI_2019 = make_article(
    "Pietrzynski2019",
    ("Pietrzyński, G.", "Graczyk, D.", "Gallenne, A.", "Gieren, W.", "others"),
    "A distance to the Large Magellanic Cloud that is precise to one per cent",
    2019,
    "Nature",
    "567",
    "200-203",
    "10.1038/s41586-019-0999-4",
)
GAIA_2021 = make_preprint(
    "GaiaLuri2021",
    ("Gaia Collaboration", "Luri, X.", "Chemin, L.", "Clementini, G.", "others"),
    "Gaia Early Data Release 3: Structure and properties of the Magellanic Clouds",
    2021,
    "2012.01771",
)
#: The program that holds Vasiliev's choice of the LMC's present day.
AGAMA = next(work for work in SOFTWARE if work.key == "Vasiliev2019")
