"""The functions of PDFium that reading needs, with handles as plain integers.

pypdfium2's own prototypes make an object for each handle that is returned; with some thousand calls for each page that would
be a third of the time. A null handle is None here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_char_p, c_double, c_float, c_int, c_size_t, c_uint, c_ulong, c_void_p
from typing import Any

import pypdfium2_raw as raw  # type: ignore[import-untyped]

Handle = int

ERROR_PASSWORD = 4
#: Types of page objects.
TEXT, PATH, IMAGE, SHADING, FORM = 1, 2, 3, 4, 5


class Matrix(ctypes.Structure):
    _fields_ = [(name, c_float) for name in "abcdef"]


class Rect(ctypes.Structure):
    """Of page coordinates, which grow to the right and upwards."""

    _fields_ = [(name, c_float) for name in ("left", "top", "right", "bottom")]


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    address = ctypes.cast(getattr(raw, name), c_void_p).value
    made: Callable[..., Any] = ctypes.CFUNCTYPE(result, *arguments)(address or 0)
    return made


initialise = _function("FPDF_InitLibrary", None)
last_error = _function("FPDF_GetLastError", c_ulong)
load_document = _function("FPDF_LoadMemDocument64", c_void_p, c_void_p, c_size_t, c_char_p)
close_document = _function("FPDF_CloseDocument", None, c_void_p)
page_count = _function("FPDF_GetPageCount", c_int, c_void_p)
load_page = _function("FPDF_LoadPage", c_void_p, c_void_p, c_int)
close_page = _function("FPDF_ClosePage", None, c_void_p)
page_bounds = _function("FPDF_GetPageBoundingBox", c_int, c_void_p, c_void_p)
page_width = _function("FPDF_GetPageWidthF", c_float, c_void_p)
page_height = _function("FPDF_GetPageHeightF", c_float, c_void_p)
count_objects = _function("FPDFPage_CountObjects", c_int, c_void_p)
page_object = _function("FPDFPage_GetObject", c_void_p, c_void_p, c_int)

load_text = _function("FPDFText_LoadPage", c_void_p, c_void_p)
close_text = _function("FPDFText_ClosePage", None, c_void_p)
count_characters = _function("FPDFText_CountChars", c_int, c_void_p)
get_text = _function("FPDFText_GetText", c_int, c_void_p, c_int, c_int, c_void_p)
unicode_of = _function("FPDFText_GetUnicode", c_uint, c_void_p, c_int)
object_of = _function("FPDFText_GetTextObject", c_void_p, c_void_p, c_int)
font_size = _function("FPDFText_GetFontSize", c_double, c_void_p, c_int)
matrix_of = _function("FPDFText_GetMatrix", c_int, c_void_p, c_int, c_void_p)
loose_box = _function("FPDFText_GetLooseCharBox", c_int, c_void_p, c_int, c_void_p)
origin_of = _function("FPDFText_GetCharOrigin", c_int, c_void_p, c_int, c_void_p, c_void_p)

object_type = _function("FPDFPageObj_GetType", c_int, c_void_p)
object_bounds = _function("FPDFPageObj_GetBounds", c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)
set_active = _function("FPDFPageObj_SetIsActive", c_int, c_void_p, c_int)
fill_colour = _function("FPDFPageObj_GetFillColor", c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)
stroke_colour = _function("FPDFPageObj_GetStrokeColor", c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)
render_mode = _function("FPDFTextObj_GetTextRenderMode", c_int, c_void_p)
draw_mode = _function("FPDFPath_GetDrawMode", c_int, c_void_p, c_void_p, c_void_p)
image_size = _function("FPDFImageObj_GetImagePixelSize", c_int, c_void_p, c_void_p, c_void_p)

font_of = _function("FPDFTextObj_GetFont", c_void_p, c_void_p)
font_name = _function("FPDFFont_GetBaseFontName", c_size_t, c_void_p, c_void_p, c_size_t)
font_weight = _function("FPDFFont_GetWeight", c_int, c_void_p)

create_bitmap = _function("FPDFBitmap_CreateEx", c_void_p, c_int, c_int, c_int, c_void_p, c_int)
destroy_bitmap = _function("FPDFBitmap_Destroy", None, c_void_p)
fill_bitmap = _function("FPDFBitmap_FillRect", c_int, c_void_p, c_int, c_int, c_int, c_int, c_ulong)
render = _function("FPDF_RenderPageBitmap", None, c_void_p, c_void_p, c_int, c_int, c_int, c_int, c_int, c_int)
to_device = _function(
    "FPDF_PageToDevice", c_int, c_void_p, c_int, c_int, c_int, c_int, c_int, c_double, c_double, c_void_p, c_void_p
)
