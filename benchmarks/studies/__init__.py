"""The proofs: how exact and how fast the simulator is, and whether what is published holds.

Each module is the command of its name with hyphens, such as ``python -m benchmarks stars-calibration``:

=================  ====================================================================================
accuracy           the simulator beside agama and its own float64 yardstick; prints `published_stars` too
assembly           the star kernel compiled for another processor, to read and to count
brute_force        posteriors given stars beside those of 24 numbers by simulations alone
calibration        whether `infer` is calibrated for errors unlike the catalogue's
choices            why the reflex fit starts at 50 kpc and reports robust errors
costs              seconds and accuracy of networks beside the exact likelihood of stars
cuda               simulations a second on a GPU
detectors          how well detectors find the shifted observations of `shift` and `stars-shift`
equilibrium        how the halo contracts without an LMC, and how far out its stars lie
information        what a halo's numbers lose of what its stars say, and what that gain rests on
live               how good and how fast live galaxies are, beside what is allowed, and beside others' runs
live_inference     what the networks of `infer` make of live galaxies, and whose mass it is
live_reflex        the reflex by radius of the stored live runs, beside rigid galaxies
loading            what haloes cost as files, and how fast they load
milky_way          the published motions of the real Milky Way through `infer`, and what shell and selection do
model_evidences    evidences of the five models of the task `models`, its references
outskirts          how far in a catalogue's row may leave out stars
published_stars    the reflex fit of published samples of stars, beside the published fits
refusals           which spoilt entries a score refuses or flags
regeneration       how much a halo differs between processors, or a set from an earlier file of it
rewinding          how exact the likelihood of rewound stars is
samplers           what samplers of other libraries make of the likelihood of a halo's stars
selection          how the part of the stars in a shell depends on the parameters
speed              cost and error beside agama, gala and galpy
stars_calibration  whether `infer_stars` is calibrated, by the ranks of fresh haloes' parameters
survey_moments     whether the moments of a survey give calibrated posteriors
=================  ====================================================================================
"""
