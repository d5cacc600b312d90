#!/bin/sh
# Puts a Python of Debian's testing suite, with its libraries, into a folder without installing it: one newer than what
# this system has. Needs no root, and leaves the system's packages alone.
#
#     sh tests/debian_python.sh FOLDER 3.14
#     FOLDER/root/usr/bin/python3.14 -m venv --without-pip VENV
set -eu
version=$2
mkdir -p "$1/state/lists/partial" "$1/state/archives/partial" "$1/packages"
folder=$(cd "$1" && pwd)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] http://deb.debian.org/debian testing main" > "$folder/testing.list"
: > "$folder/state/status"
apt_of_testing() { # lists and caches of its own
  apt-get -qq -o APT::Sandbox::User=root -o Dir::State="$folder/state" -o Dir::State::status="$folder/state/status" \
    -o Dir::Cache="$folder/state" -o Dir::Etc::sourcelist="$folder/testing.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false "$@"
}
cd "$folder/packages"
apt_of_testing update
apt_of_testing download "python$version-minimal" "libpython$version-minimal" "libpython$version-stdlib" \
  libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libssl3t64 libbz2-1.0 liblzma5 libsqlite3-0 libzstd1
for package in *.deb; do
  dpkg -x "$package" "$folder/root"
done
cd "$folder"
rm -rf "$folder/packages" "$folder/state"
# The program starts under the C library that it was made for; it is told the link in an environment that was called.
program=$folder/root/usr/bin/python$version
lib=$folder/root/usr/lib/$(uname -m)-linux-gnu
loader=$(ls "$lib"/ld-linux-*.so.*)
mv "$program" "$program.program"
cat > "$program" <<END2
#!/bin/sh
case \$0 in /*) called=\$0 ;; *) called=\$PWD/\$0 ;; esac
exec $loader --library-path $lib --argv0 "\$called" $program.program "\$@"
END2
chmod +x "$program"
"$program" --version
