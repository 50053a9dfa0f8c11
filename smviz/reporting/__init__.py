"""A report of an evaluation in one HTML file that needs nothing else, and the same numbers as JSON."""
