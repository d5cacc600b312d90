"""One module a command: options, one stage call, one print."""
