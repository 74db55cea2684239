"""Prints MANIFEST.json: manifest.py PROTOCOL_VERSION FACTS ARTEFACT..., each artefact beside its ARTEFACT.zst.

README.md, "The manifest", describes the format.
"""

import hashlib
import json
import platform
import sys
from pathlib import Path


def digest(path: Path) -> dict[str, object]:
    data = path.read_bytes()
    return {"file": path.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def main(protocol: str, facts: str, *artefacts: str) -> None:
    manifest: dict[str, object] = {
        "protocol": int(protocol),
        "python": platform.python_version(),
        "outputs": [{**digest(Path(name)), "compressed": digest(Path(f"{name}.zst"))} for name in artefacts],
    }
    flags: dict[str, str] = {}
    toolchain: dict[str, str] = {}
    own: list[dict[str, str]] = []
    inputs: list[dict[str, str]] = []
    patches: list[dict[str, str]] = []
    for line in Path(facts).read_text().splitlines():
        match line.split("\t"):
            case ["epoch", seconds]:
                manifest["source_date_epoch"] = int(seconds)
            case ["flag", name, value]:
                flags[name] = value
            case ["tool", name, value]:
                toolchain[name] = value
            case ["own", sha256, file]:
                own.append({"file": file, "sha256": sha256})
            case ["input", kind, package, version, file, sha256]:
                entry = {"kind": kind, "package": package, "version": version, "sha256": sha256}
                inputs.append(entry if file == "-" else {**entry, "file": file})
            case ["patch", package, patch]:
                patches.append({"package": package, "patch": patch})
            case other:
                raise SystemExit(f"{facts}: not understood: {other}")
    manifest |= {"own_sources": own, "inputs": inputs, "patches": patches, "toolchain": toolchain, "flags": flags}
    print(json.dumps(manifest, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
