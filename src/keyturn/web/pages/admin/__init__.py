"""The administrators' pages, under /admin. The routes are in web/dashboard.py."""
