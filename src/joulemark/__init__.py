"""joulemark measures what an inference costs: energy, carbon and quality, with an error bar and the reason for it."""

__version__ = "0.1.0"
