"""Errors that a user can act on."""


class UserError(Exception):
    """One clear sentence that says the value and the remedy; a command line prints it and exits with 2."""
