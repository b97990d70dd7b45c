"""Describe the exception of a plugin that failed to load."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def describe(raised: "Any") -> "dict[str, Any]":
    """Return the error of a failed load, its traceback, and a module that is missing.

    The module is the one that could not be found, also if the plugin has replaced the
    ModuleNotFoundError with an exception of its own.

    A process that imports nothing of lazyplug runs this, so it uses only builtins, and
    survives whatever the class of the exception does.
    """
    error = type(raised).__name__
    missing = trace_text = ""
    try:
        text = str(raised)
        error += ": " * bool(text) + text
    except BaseException:  # noqa: S110 - its class is the plugin's
        pass
    try:
        each = raised
        for _ in range(20):
            if isinstance(each, ModuleNotFoundError):
                missing = str(each.name or "")
            if each is None or missing:
                break
            is_import = isinstance(each, ImportError)
            each = each.__cause__ or (each.__context__ if is_import else None)
        from traceback import format_exception  # deferred: only on failure

        trace = raised.__traceback__
        loaders = {"__main__", "importlib"}  # frames of the child
        while trace is not None:
            module = trace.tb_frame.f_globals.get("__name__", "")
            if module.partition(".")[0] not in loaders:
                break
            trace = trace.tb_next
        trace_text = "".join(format_exception(type(raised), raised, trace))
    except BaseException:  # noqa: S110 - as above
        pass
    return {"error": error, "missing": missing, "traceback": trace_text}
