"""`python -m benchmarks`: every benchmark, one after the other, each in a process of its own."""

import subprocess
import sys

for name in ("evaluation", "viewer"):
    print(f"== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
