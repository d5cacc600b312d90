"""The version of the JSON formats."""

SCHEMA_VERSION = 1
