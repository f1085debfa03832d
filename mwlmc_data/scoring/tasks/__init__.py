"""The tasks, a module for each family.

==========================  ==============================================================================
summary-9                   three parameters from the present day of the LMC and the reflex motion
summary-6                   its null control: without the reflex motion, which leaves the prior
summary-24                  the same parameters from all 24 numbers that are fitted to a halo
summary-24-budget-1000      summary-24, learnt from the first 1,000 training simulations
summary-24-budget-10000     the same from 10,000
summary-24-budget-100000    the same from 100,000
summary-9-50-100            summary-9 with the reflex motion of the stars at 50 to 100 kpc alone
budget-1000                 summary-9, learnt from the first 1,000 training simulations
budget-10000                the same from 10,000
budget-100000               the same from 100,000
shift                       summary-9 on observations that move away from the training set step by step
live                        summary-9 on galaxies that deform each other, by what is learnt from rigid ones
live-64                     the same, learnt from one halo of each of up to 64 live galaxies in addition
stars-budget-1000           the three parameters from 1,024 stars of a halo, learnt from 1,000 simulations
stars-budget-10000          the same from 10,000
stars-budget-100000         the same from 100,000
stars-shift                 the same from stars that differ from the training set's step by step
stars-survey                the same from 100 to 500 observed stars with errors, some without some velocities
velocity-bins               the same parameters from velocities of stars in 28 cells of distance and sky
velocity-bins-budget-1000   velocity-bins, learnt from the first 1,000 training simulations
velocity-bins-budget-10000  the same from 10,000
models                      which of five physics made the stars: probabilities
==========================  ==============================================================================

A module that defines a `mwlmc_data.scoring.task.Task` with a name adds one; nothing else lists it, and a test holds
this table to what is found. `mwlmc_data.list_tasks` and `mwlmc info` list them, `mwlmc_data.get_task` makes one.
"""
