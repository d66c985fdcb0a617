"""Ask promptfoo for its scores of all pairs, and keep them: `python -m tests.evals.checks.promptfoo.record FOLDER`."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.evals.checks.promptfoo.pairs import Pair, every_pair

HERE = Path(__file__).parent
RECORDED = HERE / "recorded.json"


def digest(pairs: Sequence[Pair]) -> str:
    """The digest of the pairs, by which recorded answers are known to be theirs."""
    return sha256(json.dumps([pair.as_json() for pair in pairs], sort_keys=True).encode()).hexdigest()


def ask(pairs: Sequence[Pair], folder: Path) -> list[Any]:
    """What the promptfoo in the folder answers: `[pass, score, metrics]` of each pair, or the text of an error."""
    node = next((str(path) for path in folder.glob("node_modules/node-*/bin/node")), "node")
    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_CONFIG_DIR": str(folder)}
    done = subprocess.run(
        [node, str(HERE / "ask.mjs"), str(folder.resolve())],
        input=json.dumps([pair.as_json() for pair in pairs]),
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **quiet},
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[Any] = json.loads(done.stdout)
    return answers


def main(folder: Path) -> None:
    pairs = every_pair()
    version = json.loads((folder / "node_modules" / "promptfoo" / "package.json").read_text())["version"]
    answers = [json.dumps(answer, ensure_ascii=False) for answer in ask(pairs, folder)]
    lines = ",\n".join(answers)
    RECORDED.write_text(f'{{"promptfoo": "{version}", "pairs": "{digest(pairs)}", "answers": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]))
