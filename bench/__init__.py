"""`make bench`: what Keyturn costs, against its peers, in one run. README.md says what is measured and how to read it."""
