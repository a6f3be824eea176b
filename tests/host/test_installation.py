"""Remedies fit the way in which trtbench is installed."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from trtbench.errors import RuntimeUnavailable
from trtbench.host import installation
from trtbench.host.installation import (
    gpu_remedy,
    install_command,
    needing,
    package_command,
    source_folder,
    swap_command,
    tensorrt_remedy,
)


class Machine:
    """An installation of trtbench that is nowhere: a repository, an environment, and what is in it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.repository = root / "clone"
        self.repository.mkdir()
        (self.repository / "pyproject.toml").touch()
        self.runs_from(self.repository / "trtbench")
        self.environment(root / "env")
        self.has_pip(False)
        self.comes_from(None)
        monkeypatch.chdir(root)
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("UV_PROJECT_ENVIRONMENT", raising=False)

    def runs_from(self, package: Path) -> None:
        self._patch.setattr(installation, "package_root", lambda: package)

    def environment(self, prefix: Path) -> None:
        self.python = prefix / "bin" / "python"
        self.python.parent.mkdir(parents=True, exist_ok=True)
        self._patch.setattr("sys.prefix", str(prefix))
        self._patch.setattr("sys.executable", str(self.python))

    def has_pip(self, has_pip: bool) -> None:
        self._patch.setattr(installation, "_has_pip", lambda: has_pip)

    def comes_from(self, record: dict[str, object] | None) -> None:
        class Distribution:
            requires = (
                "onnxruntime>=1.23; extra == 'ort'",
                "tensorrt<12,>=10.8; extra == 'tensorrt'",
                "numpy",
            )

            def read_text(self, name: str) -> str | None:
                return None if record is None else json.dumps(record)

        self._patch.setattr(metadata, "distribution", lambda name: Distribution())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_clone_that_uv_syncs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.environment(machine.repository / ".venv")
    assert install_command("export", "ort") == f"uv sync --project {machine.repository}"
    monkeypatch.chdir(machine.repository)
    assert install_command("export") == "uv sync"
    assert install_command("rtx") == "uv sync"
    assert install_command("fit") == "uv sync --extra fit"
    assert install_command("tensorrt") == "uv pip install --no-config 'tensorrt<12,>=10.8'"
    assert package_command("uv") == "uv pip install uv"
    assert swap_command("onnxruntime", "onnxruntime-gpu") == (
        "uv pip uninstall onnxruntime && uv pip install onnxruntime-gpu"
        "  # then uv run --no-sync, for uv sync undoes it"
    )


def test_an_environment_without_pip(machine: Machine) -> None:
    machine.comes_from({"url": machine.repository.as_uri(), "dir_info": {"editable": True}})
    python = machine.python
    assert install_command("export") == f"uv pip install --python {python} -e '{machine.repository}[export]'"
    assert package_command("uv") == f"uv pip install --python {python} uv"
    assert (
        swap_command("a", "b")
        == f"uv pip uninstall --python {python} a && uv pip install --python {python} b"
    )


def test_an_environment_with_pip(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.has_pip(True)
    wheel = machine.repository / "trtbench.whl"
    wheel.touch()
    machine.comes_from({"url": wheel.as_uri(), "archive_info": {}})
    machine.runs_from(machine.python.parent / "lib" / "trtbench")
    assert install_command("gpu") == f"{machine.python} -m pip install '{wheel}[gpu]'"
    (machine.python.parent / "pip").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(machine.python.parent))
    assert install_command("gpu") == f"pip install '{wheel}[gpu]'"
    assert swap_command("a", "b") == "pip uninstall -y a && pip install b"


def test_a_wheel_that_is_gone_leaves_the_packages_themselves(machine: Machine) -> None:
    machine.has_pip(True)
    machine.runs_from(machine.python.parent / "lib" / "trtbench")
    machine.comes_from({"url": "file:///gone/trtbench.whl", "archive_info": {}})
    assert source_folder() is None
    assert install_command("ort") == f"{machine.python} -m pip install 'onnxruntime>=1.23'"


def test_a_repository_on_a_server(machine: Machine) -> None:
    machine.has_pip(True)
    machine.runs_from(machine.python.parent / "lib" / "trtbench")
    machine.comes_from({"url": "https://example.org/trtbench.git", "vcs_info": {"vcs": "git"}})
    assert install_command("ort").endswith("'trtbench[ort] @ git+https://example.org/trtbench.git'")


def test_the_image_is_built_again(machine: Machine) -> None:
    (Path(machine.python).parents[1].with_name("image.txt")).touch()
    for command in (install_command("export", "ort"), install_command("rtx")):
        assert command.startswith("docker build --tag trtbench .")
    assert "pip" not in package_command("uv") + swap_command("onnxruntime", "onnxruntime-gpu")


def test_the_source_of_an_installed_copy_is_found(machine: Machine) -> None:
    machine.runs_from(machine.python.parent / "lib" / "trtbench")
    assert source_folder() is None
    machine.comes_from({"url": machine.repository.as_uri(), "dir_info": {}})
    assert source_folder() == machine.repository


def test_a_container_without_a_gpu_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_CONTAINER_MARKS", (str(tmp_path / "none"),))
    assert gpu_remedy().startswith("nvidia-smi")
    monkeypatch.setattr(installation, "_CONTAINER_MARKS", (str(tmp_path),))
    assert "--gpus all" in gpu_remedy()


def test_an_import_that_fails_is_one_line(machine: Machine) -> None:
    with pytest.raises(RuntimeUnavailable) as caught, needing("TensorRT", remedy=tensorrt_remedy):
        raise OSError("libnvinfer.so.10:\n  cannot open shared object file")
    assert str(caught.value).startswith(
        "TensorRT cannot be used here (libnvinfer.so.10: cannot open shared object file): run in a container"
    )


def test_a_remedy_leaves_what_is_imported_later_as_it_is() -> None:
    code = "from trtbench.host.installation import install_command; install_command(); import setuptools"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_remedy_that_installs_python_packages_is_made_here() -> None:
    package = Path(installation.__file__).parents[1]
    elsewhere = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"\b(pip install|uv sync|uv pip)\b", path.read_text(encoding="utf-8"))
    ]
    assert elsewhere == ["host/installation.py"]
