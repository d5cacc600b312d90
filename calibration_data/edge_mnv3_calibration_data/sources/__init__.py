"""The sources of images: a module a kind, each with its `KIND`; a new module here is a new kind."""
