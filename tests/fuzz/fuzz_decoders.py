"""Guides the decoders' property tests by coverage, with atheris, which is no dependency: pip install atheris.

``python tests/fuzz/fuzz_decoders.py modbus [-max_total_time=60 ...]``; NAME is what follows ``test_`` in
tests/unit/test_decoders_any_bytes.py. Stops at the first input that is neither a value nor an error of ours.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

with atheris.instrument_imports(include=["gateway.field", "asyncua.ua", "snap7.s7protocol", "pymodbus.pdu"]):
    import test_decoders_any_bytes as decoders


def main() -> None:
    """Fuzz one of the tests until it fails or the time is over."""
    names = sorted(name.removeprefix("test_") for name in vars(decoders) if name.startswith("test_"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.exit(f"which one? {', '.join(names)}")
    test = getattr(decoders, f"test_{sys.argv.pop(1)}")
    atheris.Setup(sys.argv, test.hypothesis.fuzz_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
