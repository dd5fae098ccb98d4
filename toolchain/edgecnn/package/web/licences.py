"""The licence texts in a web bundle.

The npm package of ONNX Runtime Web carries none. Its texts are those of the Python package
onnxruntime, which is built from the same repository and is installed with edgecnn.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edgecnn.errors import PackageError
from edgecnn.package.licences import own_licence
from edgecnn.package.web.vendor import read_vendor

_MIT: Final = """\
Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING
FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS
IN THE SOFTWARE.
"""
_EMSCRIPTEN: Final = f"""\
Copyright (c) 2010-2014 Emscripten authors

{_MIT}"""
# From its file COPYRIGHT, without what that says of parts that are in no WebAssembly; and Sun's
# terms, which the mathematical functions have in their sources.
_MUSL: Final = f"""\
musl as a whole is licensed under the following standard MIT license:

Copyright © 2005-2020 Rich Felker, et al.

{_MIT}
Much of the math library code (src/math/* and src/complex/*) is
Copyright © 1993,2004 Sun Microsystems or
Copyright © 2003-2011 David Schultz or
Copyright © 2003-2009 Steven G. Kargl or
Copyright © 2003-2009 Bruce D. Evans or
Copyright © 2008 Stephen L. Moshier or
Copyright © 2017-2018 Arm Limited
and labelled as such in comments in the individual source files. All
have been licensed under extremely permissive terms.

Those of Sun Microsystems:

Developed at SunPro, a Sun Microsystems, Inc. business.
Permission to use, copy, modify, and distribute this
software is freely granted, provided that this notice
is preserved.
"""


def licence_texts() -> Mapping[str, bytes]:
    """Return the texts by their paths in a bundle.

    Raises:
        PackageError: If an installed package lacks its texts.
    """
    vendor = read_vendor()
    version = importlib.metadata.version("onnxruntime")
    overview = f"""\
What this bundle holds, under which licence, and where its text lies.

edgecnn, the app                         Apache-2.0   LICENSES/edgecnn.txt
{vendor.package} {vendor.version} (vendor/)      {vendor.licence}          LICENSES/onnxruntime.txt
  what it is built of                    several      LICENSES/onnxruntime-third-party.txt
  and the compiler's run-time parts      MIT          LICENSES/emscripten.txt
  with its C library, musl               MIT          LICENSES/musl.txt

The npm package {vendor.package} carries no texts. onnxruntime.txt and onnxruntime-third-party.txt
are those of the Python package onnxruntime {version}, of the same repository.
In the folder its two scripts are unchanged but for their names, .js for .mjs. In the single file
they are wrapped, find each other without an import, and take a constant for their own address.

The model and the golden vectors are those of who trained the model; see MODEL_CARD.md.
"""
    return {
        "LICENSES/README.txt": overview.encode(),
        "LICENSES/edgecnn.txt": own_licence().encode(),
        "LICENSES/emscripten.txt": _EMSCRIPTEN.encode(),
        "LICENSES/musl.txt": _MUSL.encode(),
        "LICENSES/onnxruntime.txt": _of_onnxruntime("LICENSE"),
        "LICENSES/onnxruntime-third-party.txt": _of_onnxruntime("ThirdPartyNotices.txt"),
    }


def _of_onnxruntime(name: str) -> bytes:
    """Read a text of the installed package, without importing it."""
    distribution = importlib.metadata.distribution("onnxruntime")
    path = Path(str(distribution.locate_file(f"onnxruntime/{name}")))
    try:
        return path.read_bytes()
    except OSError as error:
        raise PackageError(
            "the installed onnxruntime lacks its licence, which a web bundle must carry",
            observed=f"{path}: {error.strerror}",
            expected="the text that its wheel has",
            remedy="install it again: pip install --force-reinstall --no-deps onnxruntime",
        ) from error
