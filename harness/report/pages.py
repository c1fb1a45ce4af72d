"""The HTML pages, rendered by Jinja with everything escaped, and the files that they share."""

from __future__ import annotations

import base64
import gzip
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__, strict_json
from harness.scoring.mistakes import MISSED_KINDS, WRONG_KINDS
from harness.scoring.official import SCORER_VERSION

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = Path(__file__).resolve().parent


def _policy(own: str, *more: str) -> str:
    parts = (f"script-src {own}", f"style-src {own}", f"img-src {own} data:", "base-uri 'none'", "form-action 'none'")
    return "; ".join(("default-src 'none'", *parts, *more))


# A page opened from a file has no origin that every browser takes for 'self', hence file: besides.
POLICY = _policy("'self' file:")
"""The pages may load scripts, styles and pictures of their own folder, and nothing else from anywhere."""
SERVED_POLICY = _policy("'self'", "connect-src 'self'")
"""The pages of a service may besides ask it."""


@dataclass(frozen=True)
class Pages:
    """Writes pages into ``folder`` from the templates of this package."""

    folder: Path
    environment: Environment

    @classmethod
    def into(cls, folder: Path) -> Pages:
        """With the files that all pages share copied to ``folder/static``."""
        shutil.copytree(PACKAGE / "static", folder / "static")
        return cls(folder, page_environment(POLICY))

    def write(self, name: str, template: str, content: Mapping[str, Any]) -> None:
        page = self.environment.get_template(template).render(**content)
        (self.folder / name).write_text(page, encoding="utf-8")


def page_environment(policy: str) -> Environment:
    """The templates of this package, everything escaped, for pages of this content security policy."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PACKAGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = lambda word: word.replace("_", " ")
    environment.globals.update(
        policy=policy,
        version=__version__,
        scorer_version=SCORER_VERSION,
        wrong_kinds=WRONG_KINDS,
        missed_kinds=MISSED_KINDS,
    )
    return environment


def write_data(folder: Path, name: str, content: object) -> None:
    """Write ``data/NAME.js``, data that a page loads on demand: ``file://`` may load scripts but fetch nothing.

    The script hands ``content`` to ``harnessData`` as gzipped JSON in base64.

    Base64 leaves nothing in the script that came from a document or a model; pages insert what they unpack as text.
    """
    packed = gzip.compress(strict_json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), 6, mtime=0)
    script = f'harnessData("{name}","{base64.b64encode(packed).decode()}");\n'
    (folder / "data" / f"{name}.js").write_text(script, encoding="ascii")
