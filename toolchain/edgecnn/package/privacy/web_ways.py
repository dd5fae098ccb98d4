"""Ways out of a page that its policy has no word for, looked for by name in its text.

A search finds what is there by mistake, and is no proof: a name can be put together when it runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# Not WebTransport: connect-src is about that (CSP level 3, 6.1.2).
_IN_SCRIPTS: Final = re.compile(
    r"\b(?:webkit)?RTC(?:PeerConnection|DataChannel)\b"
    r"|\b(?:window|self|globalThis|parent|top|opener)\s*(?:\?\.|\.)\s*open\b"
    r"|(?<![\w.$])open\s*\("
    r"|\blocation\s*(?:\?\.|\.)\s*(?:assign|replace)\b"
    r"|\blocation\s*(?:\.\s*href\s*)?=(?!=)"
    r"|\blocation\s*\["
    r"|\bnavigator\s*(?:\?\.|\.)\s*share\b"
    r"|\.\s*ping\s*="
    r"|\bhttpEquiv\b"
    r"|[\"'`](?:ping|http-equiv|RTCPeerConnection)[\"'`]"
    r"|\[\s*[\"'`](?:open|share|href)[\"'`]\s*\]"
)
_IN_MARKUP: Final = re.compile(
    r"""<meta\s[^>]*http-equiv\s*=\s*["']?(?!Content-Security-Policy)[\w-]+"""
    r"""|<a(?:rea)?\s[^>]*\bping\s*="""
    r"""|<link\s[^>]*\brel\s*=\s*["']?(?:dns-prefetch|preconnect|prefetch|prerender)\b"""
    r"""|<[a-z][^>]*\s(?:href|src|srcset|action|formaction|data|poster)\s*=\s*["']?\s*"""
    r"""(?:https?:)?//""",
    re.IGNORECASE,
)


def other_ways(scripts: Mapping[str, str], markup: Mapping[str, str]) -> list[str]:
    """Say which texts name a way out of a page that its policy does not cover.

    Args:
        scripts: Name to text.
        markup: Name to text of pages.

    Returns:
        One sentence for each text that names any, in the order of the names.
    """
    return [
        f"{name} has {' '.join(found[0].split())}"
        for texts, pattern in ((scripts, _IN_SCRIPTS), (markup, _IN_MARKUP))
        for name, text in sorted(texts.items())
        if (found := pattern.search(text)) is not None
    ]
