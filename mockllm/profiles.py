"""Profiles by name, among those that are shipped, or by the path of a file."""

from __future__ import annotations

from codecs import BOM_UTF8
from difflib import get_close_matches
from pathlib import Path

from mockllm.core.profile import Profile, ProfileError, parse_profile

__all__ = ["load", "shipped"]

_HERE = Path(__file__).resolve().parent
# An installed wheel holds them inside the package, a checkout beside it.
_FOLDERS = (_HERE / "_profiles", _HERE.parent / "profiles")


def shipped() -> tuple[str, ...]:
    """The names of the profiles that come with the package, in alphabetical order."""
    return tuple(sorted(_files()))


def load(name_or_path: str) -> tuple[Profile, bytes]:
    """A profile and the bytes that it was read from (they belong to a study's identity).

    What names a shipped profile is that profile; anything else that looks like a path is a file. Raises
    `ProfileError` with one line for a name that is not known or a file that cannot be read.
    """
    path = _files().get(name_or_path)
    if path is None:
        path = Path(name_or_path)
        if not path.is_file() and not _looks_like_a_path(name_or_path):
            raise ProfileError(_unknown(name_or_path))
    where = name_or_path if path == Path(name_or_path) else path.name
    try:
        content = path.read_bytes().removeprefix(BOM_UTF8)
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise ProfileError(f"{where}: no such profile; the shipped ones are {', '.join(shipped())}") from None
    except (OSError, ValueError) as error:
        detail = "not a text file in UTF-8" if isinstance(error, UnicodeDecodeError) else _detail(error)
        raise ProfileError(f"{where}: the profile cannot be read: {detail}") from None
    return parse_profile(text, where), content


def _files() -> dict[str, Path]:
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    return {path.stem: path for path in folder.glob("*.toml")} if folder else {}


def _looks_like_a_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.endswith(".toml")


def _unknown(name: str) -> str:
    near = get_close_matches(name, shipped(), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"the shipped ones are {', '.join(shipped())}"
    return f"no profile is named {name!r} (a file is named by its path): {hint}"


def _detail(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
