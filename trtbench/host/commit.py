"""The git commit that is checked out in the working directory: recorded with results, for their history."""

from trtbench.errors import RuntimeUnavailable
from trtbench.host.commands import run_command
from trtbench.results.environments import Commit

# Without the monitor and the lock, git starts no program and writes no file; untracked files do not count.
_COMMAND = (
    *("git", "-c", "core.fsmonitor=false", "--no-optional-locks"),
    *("status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules"),
)
_TIMEOUT_S = 5.0
_OID = "# branch.oid "


def checked_out() -> Commit | None:
    """Ask git for the commit; None without git, outside of a repository, or before the first commit."""
    try:
        done = run_command(_COMMAND, _TIMEOUT_S)
    except RuntimeUnavailable:
        return None
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    sha = next((line.removeprefix(_OID) for line in lines if line.startswith(_OID)), "(initial)")
    if sha == "(initial)":
        return None
    return Commit(sha=sha, dirty=any(not line.startswith("#") for line in lines))
