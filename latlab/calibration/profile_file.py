"""A profile as a TOML file: the same bytes for the same profile, written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from latlab import LatlabError
from mockllm.core.profile import Profile

__all__ = ["ProfileFileError", "profile_text", "refuse_unwritable", "write_profile"]


_NOT_IN_COMMENTS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ProfileFileError(LatlabError):
    """A profile that cannot be written; the message names the path and the reason."""


def profile_text(profile: Profile, header: Sequence[str] = ()) -> str:
    """The TOML of a profile under `header`, which becomes comment lines; `parse_profile` gives the profile back."""
    lines = [f"# {_NOT_IN_COMMENTS.sub(' ', line)}".rstrip() for line in header]
    lines += ["", *_table(profile.model_dump(exclude_none=True, exclude_defaults=True), "")]
    return "\n".join(lines).lstrip("\n") + "\n"


def _table(table: Mapping[str, Any], path: str) -> Iterator[str]:
    below = {name: value for name, value in table.items() if isinstance(value, Mapping) or _is_array(value)}
    for name, value in table.items():
        if name not in below:
            yield f"{name} = {_value(value)}"
    for name, value in below.items():
        for entry in value if _is_array(value) else [value]:
            yield ""
            yield f"[[{path}{name}]]" if _is_array(value) else f"[{path}{name}]"
            yield from _table(entry, f"{path}{name}.")


def _is_array(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _value(value: Any) -> str:
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but for the delete character, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    return f"[{', '.join(_value(item) for item in value)}]"


def refuse_unwritable(out: Path) -> None:
    """Raise `ProfileFileError` at once where a fit could not be written once it is done."""
    if out.is_dir():
        raise ProfileFileError(f"{out}: is a folder; name a file in --out")
    if not out.parent.is_dir():
        raise ProfileFileError(f"{out}: there is no folder {out.parent}; make it or choose another --out")
    if not os.access(out.parent, os.W_OK):
        raise ProfileFileError(f"{out}: the folder {out.parent} cannot be written to; choose another --out")


def write_profile(text: str, out: Path) -> None:
    """Write the file whole or not at all; raises `ProfileFileError` where it cannot be written."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    except OSError as error:
        raise ProfileFileError(f"{out}: cannot be written: {error.strerror}; choose another --out") from None
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        written.chmod(0o644)
        written.replace(out)
    except OSError as error:
        written.unlink(missing_ok=True)
        raise ProfileFileError(f"{out}: cannot be written: {error.strerror}; choose another --out") from None
