"""The suites of the four folders run inside the images (test_suites.py): here there is nothing that they import."""

collect_ignore = ["builder", "edge", "load", "runtime"]
