"""Files that hold many images, read in parts where they lie."""
