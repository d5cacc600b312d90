"""The adb client, its binary, files on the device."""
