"""Data that pages load on demand, as scripts: a page opened from ``file://`` may load scripts but fetch nothing."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path

from harness import strict_json


def write_data(folder: Path, name: str, content: object) -> None:
    """Write ``data/NAME.js``, which hands ``content`` to ``harnessData`` as gzipped JSON in base64.

    Base64 leaves nothing in the script that came from a document or a model; pages insert what they unpack as text.
    """
    packed = gzip.compress(strict_json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), 6, mtime=0)
    script = f'harnessData("{name}","{base64.b64encode(packed).decode()}");\n'
    (folder / "data" / f"{name}.js").write_text(script, encoding="ascii")
