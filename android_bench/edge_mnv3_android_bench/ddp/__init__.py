"""Phones of Google's Developer Device Platform, through its command line."""
