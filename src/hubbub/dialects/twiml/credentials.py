"""Who may ask: accounts with their tokens, API keys, and access tokens for either (5.1)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from hubbub.calls.directory import KeyRecord
from hubbub.dialects import tokens
from hubbub.dialects.twiml.directory import KEY_SID
from hubbub.dialects.twiml.words import Words
from hubbub.errors import Refused
from hubbub.ids import Id
from hubbub.settings import Account


class Keys(Protocol):
    """Where API keys are found."""

    def key(self, identity: Id, secret: str) -> KeyRecord | None:
        """The key with that identity, if this is its secret."""

    def key_named(self, identity: Id) -> KeyRecord | None:
        """The key with that identity, as long as it is good for anything."""


class NoKeys:
    """There are no keys."""

    def key(self, _identity: Id, _secret: str) -> KeyRecord | None:
        """None."""
        return None

    def key_named(self, _identity: Id) -> KeyRecord | None:
        """None."""
        return None


class Doors:
    """Finds the account behind an Authorization header; `now` dates access tokens."""

    def __init__(self, words: Words, accounts: Sequence[Account], keys: Keys, now: Callable[[], float]) -> None:
        self._words = words
        self._keys = keys
        self._now = now
        self.by_sid = {sid: account for account in accounts if (sid := words.account_sid(account))}

    def account_of(self, authorization: str) -> Account:
        """The account whose credentials, key or access token these are. Raises Refused (unauthenticated)."""
        if authorization.lower().startswith("bearer "):
            found = self._account_of_token(authorization[7:].strip())
        else:
            found = self._account_of_pair(*basic(authorization))
        if found is None:
            raise Refused("unauthenticated")
        return found

    def is_key(self, authorization: str) -> bool:
        """Whether somebody asks with an API key, or with an access token that one was good for."""
        bearer = authorization.lower().startswith("bearer ")
        user = str(tokens.claims_of(authorization[7:].strip()).get("sub")) if bearer else basic(authorization)[0]
        return user.startswith(KEY_SID.prefix)

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """An access token for `client_id` and `client_secret`: a key, or the account itself. Raises Refused."""
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if self._account_of_pair(client, secret) is None:
            raise Refused("unauthenticated")
        if form.get("grant_type") != "client_credentials":
            raise Refused("bad-body", "grant_type must be client_credentials")
        written = tokens.written({"sub": client}, self._secrets(client)[0], self._now())
        return {"access_token": written, "token_type": "Bearer", "expires_in": tokens.SECONDS}

    def _account_of_pair(self, user: str, password: str) -> Account | None:
        identity = KEY_SID.read(user)
        if identity is not None:
            return self._of_key(self._keys.key(identity, password))
        owner = self.by_sid.get(user)
        expected = self._words.tokens(owner) if owner is not None else ("-",)
        same = [hmac.compare_digest(password.encode(), token.encode()) for token in expected]
        return owner if any(same) else None

    def _account_of_token(self, token: str) -> Account | None:
        claims = tokens.claims_of(token)
        client = str(claims.get("sub"))
        signed = [tokens.is_signed(token, secret) for secret in self._secrets(client)]
        if not any(signed) or not tokens.is_fresh(claims, self._now()):
            return None
        identity = KEY_SID.read(client)
        return self.by_sid.get(client) if identity is None else self._of_key(self._keys.key_named(identity))

    def _secrets(self, client: str) -> tuple[str, ...]:
        """What signs the access tokens of a client: what it proves itself with."""
        identity = KEY_SID.read(client)
        if identity is not None:
            key = self._keys.key_named(identity)
            return (key.digest,) if key is not None else ("",)
        owner = self.by_sid.get(client)
        return self._words.tokens(owner) if owner is not None else ("",)

    def _of_key(self, key: KeyRecord | None) -> Account | None:
        return next((account for account in self.by_sid.values() if key is not None and account.name == key.account), None)


def basic(authorization: str) -> tuple[str, str]:
    """User and password of Basic credentials; empty texts where there are none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
