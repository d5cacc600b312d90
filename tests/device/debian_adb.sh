#!/bin/sh
# Puts Debian's adb, which is years older than the adbutils wheel's, into a folder without installing it.
#
#     sh tests/device/debian_adb.sh FOLDER
#     EDGE_MNV3_TEST_ADBS=FOLDER/adb pytest tests/device
set -eu
mkdir -p "$1/packages"
folder=$(cd "$1" && pwd)
cd "$folder/packages"
apt-get download -q adb android-libbase android-libboringssl android-libcutils android-liblog \
  libbsd0 libmd0 libudev1 libusb-1.0-0
for package in *.deb; do
  dpkg -x "$package" "$folder/root"
done
lib=$folder/root/usr/lib
cat > "$folder/adb" <<END
#!/bin/sh
export LD_LIBRARY_PATH=$lib/$(uname -m)-linux-gnu/android:$lib/$(uname -m)-linux-gnu
exec $lib/android-sdk/platform-tools/adb "\$@"
END
chmod +x "$folder/adb"
"$folder/adb" version
