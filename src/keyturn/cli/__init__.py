"""The command line: main.py maps a command to its module; each module parses its own words and runs apart."""
