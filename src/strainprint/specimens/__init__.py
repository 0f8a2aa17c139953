"""Two-dimensional discrete dislocation plasticity: crystals that are loaded and remember it.

What is the same for all specimens: ``bounds``, ``compilation``, ``naming``.

One crystal: ``material`` and ``crystal`` (settings, where sources and obstacles lie), ``lattice``
(the same for kernels), ``pillar`` (the body and its closed fields).

Its dislocations: ``population`` (where they are), ``pair_sums``, ``neighbours``,
``side_correction``, ``following`` and ``interactions`` (what they exert), ``topology`` (put in,
taken out).

How they move: ``rules``, ``sources``, ``gliding``, ``implicit_step``, ``losses``, all called by
``dynamics`` until all rest; ``advance`` moves the platen, ``strain_path`` and ``loading`` say where
to, ``simulate`` makes shards of specimens and ``record`` and ``parts`` keep them.

What is seen of them: ``state``, ``displacement``, ``outline``, ``fields``, and maps by
``rendering``. ``far_sums`` takes all forces at once, by multipoles, for comparison.
"""
