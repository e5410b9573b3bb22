"""Other people's formats in and out: CodeCarbon's CSV of any version, and the logs of Luccioni et al. (2024)."""
