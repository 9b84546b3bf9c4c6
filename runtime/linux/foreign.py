"""Foreign functions by the C half of ctypes, of which the rest takes as long to import as half of Python to start.

The names are those of ctypes and mean the same; a type checker sees those of ctypes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import (
        CDLL,
        PYFUNCTYPE,
        Array,
        PyDLL,
        Structure,
        addressof,
        c_char,
        c_char_p,
        c_int,
        c_int32,
        c_long,
        c_size_t,
        c_uint32,
        c_uint64,
        c_ulong,
        c_void_p,
        create_string_buffer,
        get_errno,
        sizeof,
    )
else:
    from _ctypes import (
        FUNCFLAG_CDECL,
        FUNCFLAG_PYTHONAPI,
        FUNCFLAG_USE_ERRNO,
        Array,
        CFuncPtr,
        Structure,
        _SimpleCData,
        addressof,
        dlopen,
        get_errno,
        sizeof,
    )

    class c_char(_SimpleCData):  # noqa: D101, N801
        _type_ = "c"

    class c_char_p(_SimpleCData):  # noqa: D101, N801
        _type_ = "z"

    class c_void_p(_SimpleCData):  # noqa: D101, N801
        _type_ = "P"

    class c_int(_SimpleCData):  # noqa: D101, N801
        _type_ = "i"

    class c_uint32(_SimpleCData):  # noqa: D101, N801
        _type_ = "I"

    class c_long(_SimpleCData):  # noqa: D101, N801
        _type_ = "l"

    class c_ulong(_SimpleCData):  # noqa: D101, N801
        _type_ = "L"

    # As on every Linux of 64 bits.
    c_int32, c_uint64, c_size_t = c_int, c_ulong, c_ulong

    def create_string_buffer(content: int | bytes, size: int | None = None) -> Array:
        """Bytes that C may write to; of a text as long as it is and a NUL, unless ``size`` is given."""
        if isinstance(content, int):
            return (c_char * content)()
        buffer = (c_char * (len(content) + 1 if size is None else size))()
        if size == len(content):
            buffer.raw = content
        else:
            buffer.value = content
        return buffer

    class _Library:
        """Its functions by name, as attributes."""

        _flags = FUNCFLAG_CDECL

        def __init__(self, name: str | None, *, use_errno: bool = False) -> None:
            self._handle = dlopen(name, 0)
            flags = self._flags | (FUNCFLAG_USE_ERRNO if use_errno else 0)
            self._type = type("Function", (CFuncPtr,), {"_flags_": flags, "_restype_": c_int})

        def __getattr__(self, name: str) -> CFuncPtr:
            function = self._type((name, self))
            setattr(self, name, function)
            return function

    class CDLL(_Library):  # noqa: D101
        pass

    class PyDLL(_Library):  # noqa: D101
        _flags = FUNCFLAG_CDECL | FUNCFLAG_PYTHONAPI

    def PYFUNCTYPE(result: type | None, *arguments: type) -> type:  # noqa: D103, N802
        flags = FUNCFLAG_CDECL | FUNCFLAG_PYTHONAPI
        return type("Function", (CFuncPtr,), {"_flags_": flags, "_restype_": result, "_argtypes_": arguments})


__all__ = (
    "CDLL", "PYFUNCTYPE", "Array", "PyDLL", "Structure", "addressof", "c_char", "c_char_p", "c_int", "c_int32",
    "c_long",
    "c_size_t", "c_uint32", "c_uint64", "c_ulong", "c_void_p", "create_string_buffer", "get_errno", "sizeof",
)  # fmt: skip
