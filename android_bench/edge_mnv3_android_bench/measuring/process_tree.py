"""A process with all that it has started, in the words of a device's shell.

A build may be a script that starts the real program: who kills the script alone leaves the program running,
which warms the device and slows down what is measured next.
"""

from __future__ import annotations

# `stat` has the parent behind the name, which is in parentheses and may hold anything.
PROCESS_TREE = """tree() {
o=$1; t=$1
while test "$t"
do
k=
for s in /proc/[0-9]*/stat
do
x=; read -r x <$s; x=${x##*") "}; x=${x#* }; x=${x%% *}
case " $t " in *" $x "*) s=${s#*/proc/}; k="$k ${s%/stat}";; esac
done
t=${k# }; o="$o$k"
done 2>/dev/null
echo "$o"
}"""
"""Defines `tree PID`, which prints the process and those that it started, and they, if they still run."""
