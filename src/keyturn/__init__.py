"""Keyturn: logins and API keys for your own platform. Kept empty, because every start of the command line imports it."""

__version__ = "0.1.0"
