"""What each section of the page tells, as blocks; a module a section."""
