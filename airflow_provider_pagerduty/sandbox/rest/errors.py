"""What goes wrong in a request, and PagerDuty's body for it: ``{"error": {"message", "code", "errors"}}``.

The codes and words are those that PagerDuty's description gives or its users have reported.
"""

from __future__ import annotations

from starlette.responses import JSONResponse


class Problem(Exception):
    """A request that is answered with an error.

    :param code: PagerDuty's number for it, which is not HTTP's.
    """

    def __init__(self, status: int, message: str, code: int, *errors: str) -> None:
        super().__init__("; ".join([message, *errors]))
        self.status = status
        self.body = {"error": {"message": message, "code": code, "errors": list(errors)}}

    def answer(self) -> JSONResponse:
        """Return what the client gets."""
        return JSONResponse(self.body, self.status)


def invalid(*errors: str) -> Problem:
    """Return the answer to a field or a parameter that cannot be."""
    return Problem(400, "Invalid Input Provided", 2001, *errors)


def refused(*errors: str) -> Problem:
    """Return the answer to what could be, but not in the state that the account is in."""
    return Problem(400, "Arguments Caused Error", 2002, *errors)


def not_found(*errors: str) -> Problem:
    """Return the answer to an id that is nobody's."""
    return Problem(404, "Not Found", 2100, *errors)


def unauthorized() -> Problem:
    """Return the answer to no token, or one that nobody knows; it does not repeat it."""
    return Problem(401, "Invalid token", 2006)


def from_is_missing() -> Problem:
    """Return the answer to an account's token that does not say for whom it acts."""
    return Problem(
        400, 'You must specify a user\'s email address in the "From" header to perform this action', 2016
    )


def from_is_unknown() -> Problem:
    """Return the answer to an address that is no user's."""
    return Problem(400, "Requester User Not Found", 1008)


def too_many_requests() -> Problem:
    """Return the answer to the 961st request of a minute."""
    return Problem(429, "Rate Limit Exceeded", 2020)


def account_token_has_no_user() -> JSONResponse:
    """Return what ``/users/me`` answers to an account's token.

    Its ``error`` is a text, not the object of all others: both of PagerDuty's own Python clients read it so.
    """
    words = "This endpoint takes a user-level API key; this request was made with an account-level access token"
    return JSONResponse({"error": words}, 400)
