"""Running other programs: a clean environment, output into a log, progress out of it."""

import os
import subprocess
import sys
import tempfile
from typing import Callable, Dict, List, Mapping, Optional, Sequence

DROP = {
    "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "__PYVENV_LAUNCHER__", "PYENV_VERSION",
    "PYENV_DIR", "PYENV_HOOK_PATH", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT",
    "PIP_REQUIRE_VIRTUALENV", "LD_PRELOAD",
}


def clean_environ(environ: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
    """The environment without what would mix another Python's modules into ours."""
    source = os.environ if environ is None else environ
    kept = {
        key: value for key, value in source.items()
        if key not in DROP and not (key.startswith("PYTHON") and key != "PYTHONUNBUFFERED")
    }
    kept["PYTHONNOUSERSITE"] = "1"
    kept["PIP_USER"] = "0"
    kept["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    kept["PIP_NO_INPUT"] = "1"
    return kept


def run(
    command: Sequence[str],
    log: Optional[str] = None,
    on_line: Optional[Callable[[str], None]] = None,
    environ: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
) -> int:
    """Runs `command` without standard input; its output goes to `log` and to `on_line`.

    Returns the exit status; 127 when the program cannot be started.
    """
    sink = open(log, "a", encoding="utf-8", errors="replace") if log else None
    try:
        if sink:
            sink.write("\n$ %s\n" % " ".join(command))
            sink.flush()
        try:
            process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, env=dict(environ or clean_environ()), cwd=cwd,
                universal_newlines=True, encoding="utf-8", errors="replace",
            )
        except OSError as error:
            if sink:
                sink.write("%s\n" % error)
            return 127
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if sink:
                    sink.write(line)
                if on_line:
                    on_line(line.rstrip("\n"))
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    finally:
        if sink:
            sink.close()


def output(command: Sequence[str], timeout: float = 20.0, **more: str) -> Optional[str]:
    """What `command` prints, or None when it fails or hangs. `more` is added to its environment."""
    environ = clean_environ()
    environ.update(more)
    try:
        done = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=timeout, env=environ,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def tail(path: str, lines: int = 15) -> List[str]:
    """The last lines of a text file; none when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in file.readlines()[-lines:]]
    except OSError:
        return []


def write_atomically(path: str, data: bytes, mode: Optional[int] = None) -> None:
    """Writes a whole file or nothing; an existing file's mode is kept unless one is given."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    if mode is None and os.path.exists(path):
        mode = os.stat(path).st_mode & 0o777
    handle, draft = tempfile.mkstemp(prefix=".cleanplate-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if sys.platform != "win32":
            os.chmod(draft, 0o644 if mode is None else mode)
        os.replace(draft, path)
    except BaseException:
        if os.path.exists(draft):
            os.unlink(draft)
        raise
