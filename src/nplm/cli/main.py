"""The edge of the command: what is no bug becomes one line and an exit code.

What a command needs is imported inside, where a Ctrl-C is already caught.
"""

import gc
import os
import sys

from nplm.cli import signals, streams

MANY_OBJECTS = 1_000_000  # made before the next look for garbage; Python's own setting is 700
LONGEST_PART = 40  # characters
SURROGATES = range(0xD800, 0xE000)  # stand for bytes of a file name or an option that are not UTF-8


def main() -> None:
    """The console script; the streams and the signals of the process are its own."""
    try:
        signals.install()
        streams.prepare()
        _prepare_process()
        code = _guarded()
        gc.freeze()  # the interpreter's last look for garbage is a tenth of a short command
    except signals.Stopped as stop:
        streams.discard()
        code = _fail(str(stop), signals.exit_code())
    finally:
        signals.leave()
    sys.exit(code)


def _prepare_process() -> None:
    """Settings of the whole process, before anything of weight is imported."""
    os.environ["MPLBACKEND"] = "agg"  # nothing is shown, whatever is set for other programs
    # numpy's threads, of which no command has use, wait for work by spinning from their start on.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(MANY_OBJECTS)  # what is imported stays: an exporter alone 500,000 objects


def _guarded() -> int:
    """Run the command; what the system could not do is told in one line."""
    from nplm.errors import DataError

    try:
        code = _run()
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        # Whoever read stdout has gone; Typer turns that into its own exit.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        streams.discard()
        return 0
    except MemoryError:
        problem = "there is not enough memory; give smaller sizes"
    except OSError as error:
        problem = _system_problem(error)
    except UnicodeEncodeError as error:
        if not any(ord(character) in SURROGATES for character in str(error.object)):
            raise
        problem = f"not UTF-8: {_around(error)!r}; rename what is called so"
    except (RuntimeError, ImportError) as error:
        if not _of_memory(error):
            raise
        problem = f"there is not enough memory: {_joined(str(error))}; give smaller sizes"
    else:
        return code
    _flush()
    return _fail(problem, DataError.exit_code)


def _run() -> int:
    """Run the command; its code, or that of a mistake of the user."""
    from nplm.errors import InterruptedRunError, NplmError, UsageError

    try:
        from nplm.cli.tree import ParserError, app

        try:
            code = app(standalone_mode=False)
        except ParserError as error:
            command = getattr(getattr(error, "ctx", None), "command_path", "nplm")
            message = getattr(error, "format_message", error.__str__)()
            if not message:  # a bare command has just printed its help
                return UsageError.exit_code
            problem = f"{_joined(message).rstrip('.')}; see {command} --help"
            return _fail(problem, UsageError.exit_code)
    except NplmError as error:
        stopped = isinstance(error, InterruptedRunError)
        return _fail(_in_options(error), signals.exit_code() if stopped else error.exit_code)
    return code if isinstance(code, int) else 0


def _in_options(error: Exception) -> str:
    """The message of an error with the options of the command that was called."""
    import typer

    from nplm.cli.tree import app
    from nplm.cli.wording import command_of, speak_of_options

    words = sys.argv[1:]
    command = command_of(typer.main.get_command(app), words)
    return speak_of_options(str(error), command, words)


def _system_problem(error: OSError) -> str:
    import errno

    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {reason}"
    if error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE):
        return f"the system refuses: {reason}"
    cure = "; free some space" if error.errno == errno.ENOSPC else ""
    return f"cannot write: {reason}{cure}"


def _of_memory(error: Exception) -> bool:
    """Whether it is how torch, or a module being loaded, says that memory is short."""
    says = ("can't allocate memory", "failed to map segment", "bad_alloc", "llocate memory")
    return any(part in str(error) for part in says) or type(error).__name__ == "OutOfMemoryError"


def _around(error: UnicodeEncodeError) -> str:
    """What cannot be encoded, with what stands around it: the text may be a whole document."""
    return error.object[max(0, error.start - LONGEST_PART) : error.end + LONGEST_PART]


def _flush() -> None:
    """What was printed before the error; or what cannot be printed goes nowhere."""
    try:
        sys.stdout.flush()
    except OSError:
        streams.discard()


def _joined(message: str) -> str:
    """What others say in several lines, in one."""
    return " ".join(filter(None, map(str.strip, message.splitlines())))


def _fail(message: str, code: int) -> int:
    from nplm.cli.console import note

    note(f"nplm: {message}")
    return code
