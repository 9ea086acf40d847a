"""Pictures inside a page: SVG as part of its HTML, small PNGs of images."""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree import ElementTree

import matplotlib.figure
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from lenetkit.plots.page import DPI, styled
from lenetkit.plots.tiles import first_pixels

_HREF = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"(url\(#|^#)([^)]+)")
_NOT_DRAWN = ("metadata", "style")
_CROPPED: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.04}
"""Without the margin, which a page has anyway."""
_POINT = 4 / 3  # CSS pixels
_THUMBNAIL = 112  # pixels of the longer side


def inline_svg(figure: matplotlib.figure.Figure, name: str, alt: str) -> str:
    """The figure as an `<svg>` element for a page; `alt` says in words what it shows.

    It has no namespaces, metadata or styles of its own, and `name` begins all its ids, so that many
    fit on one page, which needs to set `stroke-linecap: butt; stroke-linejoin: round` for all.
    """
    file = io.BytesIO()
    with styled():
        figure.savefig(file, format="svg", facecolor="white", **_CROPPED)
    root = ElementTree.fromstring(file.getvalue())
    box = root.attrib["viewBox"]
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in _NOT_DRAWN:
                parent.remove(child)
    used = {m[2] for e in root.iter() for v in e.attrib.values() for m in _REFERENCE.finditer(v)}
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = dict(_attributes(element, name, used))
    root.attrib = {"viewBox": box, "role": "img", "aria-label": alt}
    root.attrib["style"] = f"width: {float(box.split()[2]) * _POINT:.0f}px"
    return ElementTree.tostring(root, encoding="unicode")


def inline_png(figure: matplotlib.figure.Figure) -> tuple[bytes, int]:
    """The figure as a PNG file, and its width in CSS pixels."""
    file = io.BytesIO()
    with styled():
        figure.savefig(file, format="png", dpi=DPI, facecolor="white", **_CROPPED)
    with Image.open(file) as picture:
        return file.getvalue(), round(picture.width * 96 / DPI)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _attributes(element: ElementTree.Element, name: str, used: set[str]) -> list[tuple[str, str]]:
    """An element's attributes with ids that begin with `name`; those that nothing names go."""
    found = []
    for key, value in element.attrib.items():
        if key == "id":
            if value in used:
                found.append((key, f"{name}-{value}"))
        elif key == _HREF or not key.startswith("{"):
            text = _REFERENCE.sub(rf"\g<1>{name}-\g<2>", value)
            if key == "style" and "font:" in text:
                text = re.sub(r"(font:[^;]*)", r"\1, sans-serif", text)
            found.append((_local(key), text))
    return found


def thumbnails(images: ArrayLike, count: int) -> list[bytes]:
    """The first `count` of images (N, C, H, W) as PNG files, large ones made smaller."""
    return [_png(np.rint(255 * image).astype(np.uint8)) for image in first_pixels(images, count)]


def _png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    picture.save(file, "png", optimize=True)
    return file.getvalue()
