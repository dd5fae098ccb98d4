"""The single file, and how the app's modules are joined, without a browser."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re

import pytest

from edgecnn.errors import PackageError
from edgecnn.package.web.single import RESOURCES, concatenated, single_page
from web.made import files_of

_BLOCK = r'^<script type="text/plain" id="resource:([^"]+)">([^<]*)<'


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return files_of("resnet8")


@pytest.fixture(scope="module")
def page(files: dict[str, bytes]) -> str:
    return single_page(files).decode()


def test_it_may_connect_to_nothing(page: str) -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert "connect-src 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "'self'" not in policy


def test_its_policy_allows_its_own_scripts_and_style_and_no_others(page: str) -> None:
    allowed = re.findall(r"sha256-([A-Za-z0-9+/=]+)", page.split("</head>")[0])
    inline = re.findall(
        r"<(?:script(?: type=\"module\")?|style)>(.*?)</(?:script|style)>", page, re.DOTALL
    )
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline]
    assert len(inline) == 3
    assert sorted(digests) == sorted(allowed)


def test_it_loads_nothing(page: str) -> None:
    shown = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r'\bsrc="(?!data:)', shown)
    assert re.findall(r'href="([^"#][^"]{0,20})', shown) == ["data:image/png;base64"]


def test_resources_are_in_it_byte_for_byte(page: str, files: dict[str, bytes]) -> None:
    found = dict(re.findall(_BLOCK, page, re.MULTILINE))
    licences = sorted(name for name in files if name.startswith("LICENSES/"))
    assert tuple(found) == (*RESOURCES, *licences)
    for name, text in found.items():
        assert gzip.decompress(base64.b64decode(text)) == files[name]


def test_the_same_files_give_the_same_page(files: dict[str, bytes], page: str) -> None:
    assert single_page(files).decode() == page


def test_a_page_without_the_policy_is_refused(files: dict[str, bytes]) -> None:
    changed = files["index.html"].replace(b"connect-src 'self'", b"connect-src *")
    with pytest.raises(PackageError, match="cannot be put into one file"):
        single_page({**files, "index.html": changed})


def test_another_runtime_is_refused(files: dict[str, bytes]) -> None:
    name = "vendor/ort.wasm.min.js"
    with pytest.raises(PackageError, match="cannot be put into one file"):
        single_page({**files, name: files[name].replace(b"webpackIgnore", b"x")})


def test_modules_come_after_what_they_import() -> None:
    made = concatenated(
        {
            "app.js": 'import { b } from "./b.js";\nimport { a } from "./a.js";\nb(a);\n',
            "b.js": 'import { a } from "./a.js";\nexport function b(x) {\n  return a + x;\n}\n',
            "a.js": "export const a = 1;\n",
            "unused.js": "export const unused = 1;\n",
        }
    )
    assert re.findall(r"^// (\w+\.js)$", made, re.MULTILINE) == ["a.js", "b.js", "app.js"]
    assert "export" not in made
    assert "import" not in made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('import a from "./a.js";', "on one line"),
        ('import { a as c } from "./a.js";', "on one line"),
        ('import {\n  a,\n} from "./a.js";', "on one line"),
        ("export default 1;", "export before a function"),
        ("export { a };", "export before a function"),
        ('import { x } from "./x.js";', "app.js imports x.js"),
        ('import { a } from "./a.js";\nconst a = 2;', "another name"),
        ("const { a } = b;", "one name for a declaration"),
    ],
)
def test_modules_of_another_form_are_refused(text: str, said: str) -> None:
    with pytest.raises(PackageError) as caught:
        concatenated({"app.js": text, "a.js": "export const a = 1;\n"})
    assert said in f"{caught.value.observed} {caught.value.expected}"


def test_a_circle_of_imports_is_refused() -> None:
    modules = {
        "app.js": 'import { a } from "./a.js";\n',
        "a.js": 'import { b } from "./b.js";\nexport const a = 1;\n',
        "b.js": 'import { a } from "./a.js";\nexport const b = 1;\n',
    }
    with pytest.raises(PackageError) as caught:
        concatenated(modules)
    assert "a.js imports b.js imports a.js" in str(caught.value.observed)
