"""Pure functions from stored runs to tables, comparisons and sentences."""
