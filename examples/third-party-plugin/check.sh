#!/usr/bin/env bash
# Installs core, the plugins and these two from wheels into an empty environment, and runs their tests and demos there.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

for project in "$root/core" "$root"/plugins/* "$here"/graft-*; do
    uv build --quiet --wheel --out-dir "$work/wheels" "$project"
done
# The versions that this tree is tested with, for what is not ours.
(cd "$root" && uv export --quiet --no-hashes --no-emit-workspace --all-groups --output-file "$work/pins.txt")
uv venv --quiet --python 3.11 "$work/venv"
export VIRTUAL_ENV="$work/venv" PATH="$work/venv/bin:$PATH" GRAFT_HOME="$work/home"
uv pip install --quiet --constraint "$work/pins.txt" --find-links "$work/wheels" \
    graft-regression graft-agriculture "graft-core[onnx]" pytest

# Copies: nothing of the repository is at hand.
cp -r "$here" "$work/plugins"
for plugin in "$work"/plugins/graft-*; do
    (cd "$plugin" && python -m pytest -q tests)
done
cd "$work"
graft plugins list
graft demo regression
graft demo classify --domain agriculture
