"""`python -m benchmarks [NAME...]`: the benchmarks named, or every one, each in a process of its own."""

import subprocess
import sys

PARTS = {
    "evaluation": ("evaluation", "peers"),
    "fuzzing": ("fuzzing",),
    "gallery": ("gallery",),
    "intervals": ("intervals",),
    "load": ("load",),
    "runner": ("runner",),
    "viewer": ("viewer",),
    "workbench": ("workbench",),
}

for name in sys.argv[1:] or PARTS:
    if name not in PARTS:
        sys.exit(f"There is no benchmark {name!r}. Choose from {', '.join(PARTS)}.")
    for part in PARTS[name]:
        print(f"== {part}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{part}"], check=True)
