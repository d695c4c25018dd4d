"""Which names say that their value is a secret: of a field of JSON, of a parameter of a URL, of a header.

A name is read in its parts, so that `apiKey`, `API_KEY` and `x-api-key` are one. Nothing is a secret by its name that
counts tokens or holds the text of one.
"""

from __future__ import annotations

import re

__all__ = [
    "is_identifying_header",
    "is_list_of_secrets",
    "is_organization_field",
    "is_organization_header",
    "is_secret_field",
    "is_secret_header",
    "is_secret_parameter",
    "is_token",
]

_KINDS = "access|account|admin|api|auth|client|encryption|master|private|secret|service|session|signing|storage"
_KEY = rf"(?:{_KINDS}|subscription)_?key"
_WORDS = r"secret|password|passwd|passphrase|pwd|authorization|auth|bearer|credential|cookie|jwt"
# Pieces of text, and places in a list: tokens that open no door.
_TEXT = r"(?<!eos_)(?<!bos_)(?<!pad_)(?<!unk_)(?<!sep_)(?<!cls_)(?<!mask_)(?<!stop_)(?<!next_)(?<!page_)(?<!special_)"

_FIELD = re.compile(
    rf"(?:^|_)(?:{_KEY}s?|(?:{_WORDS})s?|{_TEXT}token|(?:{_KINDS}|refresh|id)_?tokens?)(?:_value)?$"
    r"|access_?key_?id$"
)
_LIST = re.compile(rf"(?:^|_)(?:{_KEY}s|(?:{_WORDS})s|(?:{_KINDS}|refresh|id)_?tokens)$")
_PARAMETER = re.compile(
    rf"(?:^|_)(?:auth|key|apikey|token|sig|signature|session(?:_?id)?|{_KEY}|(?:{_WORDS})s?)$|access_?(?:key_?)?id$"
)
_ORGANIZATION = re.compile(r"(?:^|_)(?:organi[sz]ation(?:_?(?:id|uuid|name))?|org_?(?:id|uuid|name))$")
_HEADER = re.compile(r"auth|api-?key|token|secret|cookie|password|credential|signature|-key$", re.IGNORECASE)
_ORGANIZATION_HEADER = re.compile(r"organi[sz]ation|project|workspace|account", re.IGNORECASE)
_IDENTIFYING_HEADER = re.compile(r"session|(?:user|device|install(?:ation)?)[_-]?id", re.IGNORECASE)
_FIGURES = re.compile(r"ratelimit", re.IGNORECASE)  # `…-ratelimit-tokens-reset` holds no secret
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST = 100  # characters; what is longer is no name


def is_secret_field(name: str) -> bool:
    """Whether a string under `name` in JSON is a credential. `token` is one here; see `is_token`."""
    return _FIELD.search(_parts(name)) is not None


def is_list_of_secrets(name: str) -> bool:
    """Whether each string in a list under `name` is a credential."""
    return _LIST.search(_parts(name)) is not None


def is_token(name: str) -> bool:
    """Whether `name` is that of a token which may be a piece of text as well."""
    return _parts(name) == "token"


def is_organization_field(name: str) -> bool:
    """Whether a string under `name` in JSON says which organisation it was."""
    return _ORGANIZATION.search(_parts(name)) is not None


def is_secret_parameter(name: str) -> bool:
    """Whether the parameter `name` of a URL is a credential."""
    return _PARAMETER.search(_parts(name)) is not None


def is_secret_header(name: str) -> bool:
    """Whether the header `name` holds a credential."""
    return _HEADER.search(name) is not None and not _FIGURES.search(name)


def is_organization_header(name: str) -> bool:
    """Whether the header `name` says which organisation, project or account it was."""
    return _ORGANIZATION_HEADER.search(name) is not None and not _FIGURES.search(name)


def is_identifying_header(name: str) -> bool:
    """Whether the header `name` says who it was, or in which session."""
    return _IDENTIFYING_HEADER.search(name) is not None and not _FIGURES.search(name)


def _parts(name: str) -> str:
    """`name` in lower case, its parts joined by one underscore each."""
    return re.sub(r"[\s._-]+", "_", _HUMP.sub("_", name.strip())).lower() if len(name) <= _LONGEST else ""
