"""Recipes: which algorithms run, with which settings."""
