"""The single file: page, style, script, runtime, model and texts in one HTML document.

It opens from a disk, needs no server, and its policy lets it make no request.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import re
from collections.abc import Mapping
from typing import Final

from edgecnn.errors import PackageError
from edgecnn.package.web.sources import ENTRY, STYLE, modules_of
from edgecnn.serve.policy import FOLDER_POLICY, PAGE, single_page_policy

RESOURCES: Final = (
    "vendor/ort-wasm-simd-threaded.wasm", "model/model.onnx", "model/contract.json", "golden.json",
    "privacy.json",
)  # fmt: skip
"""What the app asks its resources module for, and finds in the page; and the licences."""

_LICENCES: Final = "LICENSES/"

_RUNTIME: Final = "vendor/ort.wasm.min.js"
_GLUE: Final = "vendor/ort-wasm-simd-threaded.js"
# Where the page is, as far as the runtime knows: from a file, location.origin is "null", which is
# no URL. It connects to nothing, so the name need not exist (RFC 2606).
_PLACE: Final = "https://classifier.invalid"

_META_POLICY: Final = re.compile(
    r'<meta\s+http-equiv="Content-Security-Policy"\s+content="([^"]*)"\s*/?>'
)
_STYLE_LINK: Final = re.compile(rf'<link\s+rel="stylesheet"\s+href="{re.escape(STYLE)}"\s*/?>')
_ENTRY_SCRIPT: Final = re.compile(r'<script\s+type="module"\s+src="app\.js"\s*></script>\n?')
_CHECK_SCRIPT: Final = re.compile(r'<script\s+src="start-check\.js"\s+defer\s*></script>\n?')
_CHECK: Final = "start-check.js"
_LINK: Final = re.compile(r"[ \t]*<link\s[^>]*>\n?")
_ICON: Final = "icons/icon-192.png"


def single_page(files: Mapping[str, bytes]) -> bytes:
    """Return a bundle's folder as one HTML document.

    Args:
        files: A web bundle's, by name; what is not ours (the model, the runtime) goes in byte for
            byte, compressed.

    Raises:
        PackageError: If page or modules are not of the form that this can join.
    """
    sources = {name: data.decode() for name, data in files.items() if "/" not in name}
    style = sources[STYLE]
    script = "\n".join([_vendored(files), concatenated(modules_of(sources))])
    check = sources[_CHECK]
    for name, text in (("script", script), (_CHECK, check), (STYLE, style)):
        if re.search(r"</(script|style)|<!--", text, re.IGNORECASE):
            raise _unjoinable(f"the text of the {name} would end its element")
    page = sources[PAGE]
    policy = single_page_policy(scripts=[_digest(check), _digest(script)], style=_digest(style))
    found = _META_POLICY.search(page)
    if found is None or html.unescape(found[1]) != FOLDER_POLICY:
        raise _unjoinable(f"no meta element with the policy in {PAGE}, or another policy")
    blocks = "\n".join(
        f'<script type="text/plain" id="resource:{name}">{packed(files[name])}</script>'
        for name in (*RESOURCES, *(one for one in sorted(files) if one.startswith(_LICENCES)))
    )
    meta = (
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy, quote=False)}">'
    )
    page = _once(page, _META_POLICY, meta)
    page = _once(page, _STYLE_LINK, f"<style>{style}</style>")
    page = _once(_once(page, _ENTRY_SCRIPT, ""), _CHECK_SCRIPT, "")
    # Manifest and icons: one file cannot be installed, and has its icon in itself.
    page = _LINK.sub("", page)
    icon = base64.b64encode(files[_ICON]).decode()
    page = _once(
        page,
        re.compile("</head>"),
        f'<link rel="icon" type="image/png" href="data:image/png;base64,{icon}">\n</head>',
    )
    # The resources first: the script looks for them as it starts.
    page = _once(
        page,
        re.compile("</body>"),
        f'{blocks}\n<script>{check}</script>\n<script type="module">{script}</script>\n</body>',
    )
    return page.encode()


def packed(data: bytes) -> str:
    """Return base64 of a gzip member, the same for the same bytes."""
    made = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, made, mtime=0) as file:
        file.write(data)
    return base64.b64encode(made.getvalue()).decode()


def _vendored(files: Mapping[str, bytes]) -> str:
    """Return the runtime as a part of a script, with no module to import and no place to ask for.

    Its two modules are wrapped, so that their short names meet no others.
    """
    glue = _cut(files[_GLUE].decode(), "export default ortWasmThreaded;", "")
    runtime = _cut(
        files[_RUNTIME].decode(),
        "(await import(/*webpackIgnore:true*/ /*@vite-ignore*/e)).default",
        "edgecnnGlue",
    )
    exported = re.search(r"export\{([^}]*)\};", runtime)
    if exported is None:
        raise _unjoinable(f"no exports at the end of {_RUNTIME}")
    pairs = [pair.split(" as ") for pair in exported[1].split(",")]
    given = ", ".join(f"{public}: {name}" for name, public in pairs)
    runtime = runtime.replace(exported[0], f"return {{{given}}};")
    joined = (
        f"const edgecnnGlue = await (async () => {{\n{glue}\nreturn ortWasmThreaded;\n}})();\n"
        f"globalThis.edgecnnRuntime = (() => {{\n{runtime}\n}})();\n"
    )
    joined = re.sub(r"\n//# sourceMappingURL=\S+", "", joined)
    joined = joined.replace("import.meta.url", f'"{_PLACE}/"')
    return joined.replace("location.origin", f'"{_PLACE}"')


def _cut(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise _unjoinable(f"the runtime has {text.count(old)} times {old!r}")
    return text.replace(old, new)


def _once(page: str, pattern: re.Pattern[str], new: str) -> str:
    made, count = pattern.subn(lambda _: new, page)
    if count != 1:
        raise _unjoinable(f"{PAGE} has {count} times {pattern.pattern}")
    return made


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _unjoinable(observed: str) -> PackageError:
    return PackageError(
        "the web app cannot be put into one file",
        observed=observed,
        expected="page, modules and runtime as edgecnn and its pinned npm package have them",
        remedy="make the folder alone: --format folder",
    )


# What makes this a matter of lines and not of parsing is the modules' form, which is checked here:
# an import is one line with plain names, an export stands before a declaration, and no two modules
# declare the same name at the top.

_IMPORT: Final = re.compile(r'import \{ ([\w$]+(?:, [\w$]+)*) \} from "\./([\w-]+\.js)";')
_EXPORT: Final = re.compile(r"export (?=(?:async )?(?:function|class|const)\b)")
_DECLARED: Final = re.compile(
    r"(?:export )?(?:async )?(?:function\*?|class|const|let|var) ([\w$]+|\{|\[)"
)


def concatenated(modules: Mapping[str, str]) -> str:
    """Return the entry module and all that it imports as one script.

    Args:
        modules: File name to text; ``app.js`` is the entry.

    Returns:
        Each module once, after all that it imports.

    Raises:
        PackageError: If a module is not of the form above, is missing, or imports itself.
    """
    order: list[str] = []
    _visit(ENTRY, modules, order, [])
    declared: dict[str, str] = {}
    parts = []
    for name in order:
        lines = []
        for number, line in enumerate(modules[name].splitlines(), 1):
            place = f"{name}, line {number}: {line[:80]}"
            if _IMPORT.fullmatch(line):
                continue
            if re.match(r"import\b", line):
                raise _unreadable(place, 'import { a, b } from "./x.js"; on one line')
            if re.match(r"export\b", line) and not _EXPORT.match(line):
                raise _unreadable(place, "export before a function, a class or a constant")
            found = _DECLARED.match(line)
            if found is not None:
                if found[1] in ("{", "["):
                    raise _unreadable(place, "one name for a declaration at the top of a module")
                if found[1] in declared:
                    raise _unreadable(place, f"another name: {declared[found[1]]} has this, too")
                declared[found[1]] = name
            lines.append(_EXPORT.sub("", line, count=1))
        parts.append(f"// {name}\n" + "\n".join(lines).strip("\n") + "\n")
    return "\n".join(parts)


def _visit(name: str, modules: Mapping[str, str], order: list[str], way: list[str]) -> None:
    if name in order:
        return
    if name not in modules:
        raise _unreadable(f"{way[-1]} imports {name}", "modules that are there")
    if name in way:
        raise _unreadable(" imports ".join([*way, name]), "imports without a circle")
    for line in modules[name].splitlines():
        found = _IMPORT.fullmatch(line)
        if found is not None:
            _visit(found[2], modules, order, [*way, name])
    order.append(name)


def _unreadable(observed: str, expected: str) -> PackageError:
    return PackageError(
        "the modules of the web app cannot be put into one file",
        observed=observed,
        expected=expected,
        remedy="write it so; or make the folder alone: --format folder",
    )
