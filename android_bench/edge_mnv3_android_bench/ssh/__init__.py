"""Boards over ssh: the system's OpenSSH client, and the addresses that it takes."""
