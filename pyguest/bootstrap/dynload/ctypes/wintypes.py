"""The types of Windows, by the sizes that they have there."""

from __future__ import annotations

import ctypes

BYTE, WORD, DWORD = ctypes.c_ubyte, ctypes.c_ushort, ctypes.c_uint32
CHAR, WCHAR, UINT, INT, DOUBLE, FLOAT = ctypes.c_char, ctypes.c_wchar, ctypes.c_uint, ctypes.c_int, ctypes.c_double, ctypes.c_float
BOOLEAN, BOOL = BYTE, ctypes.c_int


class VARIANT_BOOL(ctypes._SimpleCData):
    """A Boolean of 2 bytes: -1 is True."""

    _type_ = "v"

    def __repr__(self):
        return "%s(%r)" % (type(self).__name__, self.value)


ULONG, LONG, USHORT, SHORT = ctypes.c_uint32, ctypes.c_int32, ctypes.c_ushort, ctypes.c_short
LARGE_INTEGER = _LARGE_INTEGER = ctypes.c_longlong
ULARGE_INTEGER = _ULARGE_INTEGER = ctypes.c_ulonglong
LPCOLESTR = LPOLESTR = OLESTR = LPCWSTR = LPWSTR = ctypes.c_wchar_p
LPCSTR = LPSTR = ctypes.c_char_p
LPCVOID = LPVOID = HANDLE = ctypes.c_void_p
WPARAM, LPARAM = ctypes.c_size_t, ctypes.c_ssize_t
ATOM, LANGID, COLORREF, LCID, LCTYPE, LGRPID = WORD, WORD, DWORD, DWORD, DWORD, DWORD
HBITMAP = HBRUSH = HDC = HFONT = HGLOBAL = HICON = HINSTANCE = HKEY = HLOCAL = HMENU = HMODULE = HRGN = HWND = HANDLE
MAX_PATH = 260
