"""The phases of the programme, strictly ordered, each closed by proof (specification 5.4).

One module for each phase holds its conditions as data; :mod:`.dossier` is what they are asked
about, :mod:`.standing` asks them and closes phases.
"""
