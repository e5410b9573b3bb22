"""The rules of a study: which cells, in which order, how often; and who carries them out."""
