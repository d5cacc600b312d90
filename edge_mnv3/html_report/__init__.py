"""The page of a run: results of one pair of files, gathered, told in sections, and written as HTML."""
