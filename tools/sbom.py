"""A CycloneDX 1.6 bill of what is deployed: `python tools/sbom.py > sbom.json`.

Made from requirements.txt alone, which names every package, its version, the SHA-256 of each file
that may be installed and who asked for it. The same lock is the same bill: no time, no random
serial number.
"""

import json
import sys
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from common.config import VERSION  # noqa: E402 - started by path, from anywhere
from tools.lock import Pin, read_lock  # noqa: E402 - as above

APPLICATION = f"pkg:pypi/sapphire@{VERSION}"


def bill(pins: list[Pin]) -> dict[str, Any]:
    """The document, as https://cyclonedx.org/docs/1.6/json/ describes it."""
    content = "\n".join(f"{pin.name}=={pin.version} {' '.join(pin.hashes)}" for pin in pins)
    needs: dict[str, list[str]] = {_url(pin): [] for pin in pins}
    for pin in pins:
        for wanting in (other for other in pins if other.name in pin.wanted_by):
            needs[_url(wanting)].append(_url(pin))
    direct = [_url(pin) for pin in pins if pin.asked_for]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "sapphire",
                "version": VERSION,
                "bom-ref": APPLICATION,
                "purl": APPLICATION,
            }
        },
        "components": [_component(pin) for pin in pins],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(on)}
            for ref, on in ((APPLICATION, direct), *needs.items())
        ],
    }


def _component(pin: Pin) -> dict[str, Any]:
    """The hashes are of its files, not of one thing: each belongs to a distribution."""
    return {
        "type": "library",
        "name": pin.name,
        "version": pin.version,
        "bom-ref": _url(pin),
        "purl": _url(pin),
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{pin.name}/{pin.version}/#files",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.hashes],
            }
        ],
        **({"properties": [{"name": "marker", "value": pin.marker}]} if pin.marker else {}),
    }


def _url(pin: Pin) -> str:
    return f"pkg:pypi/{pin.name}@{pin.version}"


def main() -> None:
    json.dump(bill(read_lock(ROOT / "requirements.txt")), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
