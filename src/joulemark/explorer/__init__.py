"""Results as one page to look around in: its content, the page itself, a folder of pages, and a small server."""
