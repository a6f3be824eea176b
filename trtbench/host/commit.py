"""The git commit that is checked out in the working directory: recorded with results, for their history."""

from trtbench.errors import RuntimeUnavailable
from trtbench.host.commands import run_command
from trtbench.results.environments import Commit

# Not git status: to compare files, git runs the filters and monitors that the repository's own settings name.
_COMMAND = ("git", "rev-parse", "--verify", "--quiet", "HEAD")
_TIMEOUT_S = 5.0


def checked_out() -> Commit | None:
    """Ask git for the commit; None without git, outside of a repository, or before the first commit."""
    try:
        done = run_command(_COMMAND, _TIMEOUT_S)
    except RuntimeUnavailable:
        return None
    return Commit(sha=done.stdout.strip()) if done.returncode == 0 else None
