#!/bin/sh
# Where and when a figure was made, in one line: date, commit, processors, system.
# No name of the machine: only ratios travel, and this is to say how far.

top=$(cd "$(dirname "$0")/.." && pwd)
commit=$(git -C "$top" describe --always --dirty 2>/dev/null) || commit=
model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
system=$(. /etc/os-release && echo "$PRETTY_NAME")
kernel=$(uname -r)

echo "$(date +%Y-%m-%d)${commit:+, commit $commit}, $(nproc) cores${model:+ ($model)}, $system, Linux ${kernel%%-*}"
