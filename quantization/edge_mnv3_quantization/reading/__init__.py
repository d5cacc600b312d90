"""The forms in which others write the network: operators of a float file, and rewrites to one form."""
