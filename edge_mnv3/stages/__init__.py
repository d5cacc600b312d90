"""One module a command: a stage joins components, takes values, returns a frozen result, prints nothing."""
