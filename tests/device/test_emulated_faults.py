"""Faults of cable and phone, as adb 29 and adb 36 show them."""

from __future__ import annotations

import subprocess

import pytest

from device.adb_servers import AdbServer
from device.conftest import MakePhone
from device.phone import PATIENCE_S, Phone
from device.stand_in_behaviour import foreign_binary

_CLOCK = "cat /sys/devices/system/cpu/cpu7/cpufreq/scaling_cur_freq"


def _shell(server: AdbServer, phone: Phone, script: str) -> subprocess.CompletedProcess[bytes]:
    return server.run("-s", phone.serial, "shell", script)


def _reconnect(server: AdbServer, phone: Phone) -> None:
    """The server tries by itself too, once a second: it may come first, and leave the phone offline."""

    def comes_back() -> bool:
        server.connect(phone.serial)
        if phone.wait_for(lambda: server.state(phone.serial) == "device", timeout_s=5.0):
            return True
        server.disconnect(phone.serial)
        return False

    server.disconnect(phone.serial)
    assert phone.wait_for(comes_back)


def _begun(server: AdbServer, phone: Phone, script: str) -> subprocess.Popen[bytes]:
    """A script that has begun: its first line has arrived."""
    running = subprocess.Popen(
        server.argv("-s", phone.serial, "shell", f"echo begun; {script}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=server.environment,
    )
    assert running.stdout
    assert running.stdout.readline() == b"begun\n"
    return running


def test_unplugged_in_mid_output(phone: Phone, adb_server: AdbServer) -> None:
    """adb 29 reports success for a cut output."""
    phone.cable.cut_after_shell_bytes = 4
    done = _shell(adb_server, phone, "sleep 30 & echo 123456789; wait; echo done")
    assert done.stdout == b"1234"
    assert done.returncode == (0 if adb_server.binary.major < 30 else 255)
    assert adb_server.state(phone.serial) == "offline"
    assert phone.wait_for(lambda: [process.name for process in phone.processes()] == ["sleep"])


def test_unplugged_after_a_while(phone: Phone, adb_server: AdbServer) -> None:
    running = _begun(adb_server, phone, "sleep 30; echo done")
    phone.unplug()
    assert running.communicate(timeout=PATIENCE_S)[0] == b""
    assert running.returncode == (0 if adb_server.binary.major < 30 else 255)


def test_calls_after_the_loss_say_which_device(phone: Phone, adb_server: AdbServer) -> None:
    phone.unplug()
    assert phone.wait_for(lambda: adb_server.state(phone.serial) == "offline")
    assert b"device offline" in _shell(adb_server, phone, "true").stderr
    adb_server.disconnect(phone.serial)
    assert adb_server.state(phone.serial) == "missing"
    done = _shell(adb_server, phone, "true")
    assert done.returncode == 1
    assert f"device '{phone.serial}' not found".encode() in done.stderr


def test_plugged_in_again(phone: Phone, adb_server: AdbServer) -> None:
    _shell(adb_server, phone, "echo kept > /data/local/tmp/x")
    phone.unplug()
    assert phone.wait_for(lambda: adb_server.state(phone.serial) == "offline")
    phone.replug()
    _reconnect(adb_server, phone)
    assert _shell(adb_server, phone, "cat /data/local/tmp/x").stdout == b"kept\n"


def test_connect_reports_failure_with_exit_code_0(phone: Phone, adb_server: AdbServer) -> None:
    phone.unplug()
    adb_server.disconnect(phone.serial)
    done = adb_server.run("connect", phone.serial)
    assert done.returncode == 0
    assert done.stdout == f"failed to connect to '{phone.serial}': Connection refused\n".encode()


def test_a_frozen_phone_is_still_a_device(phone: Phone, adb_server: AdbServer) -> None:
    phone.freeze()
    with pytest.raises(subprocess.TimeoutExpired):
        adb_server.run("-s", phone.serial, "shell", "echo", timeout_s=0.3)
    assert adb_server.state(phone.serial) == "device"
    phone.thaw()
    assert _shell(adb_server, phone, "echo thawed").stdout == b"thawed\n"


def test_frozen_in_mid_output(phone: Phone, adb_server: AdbServer) -> None:
    running = _begun(adb_server, phone, "read line; echo done")
    phone.freeze()
    assert running.stdin
    running.stdin.write(b"line\n")
    running.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.5)
    phone.thaw()
    assert running.communicate(timeout=PATIENCE_S)[0] == b"done\n"


def test_a_phone_that_never_answers_is_offline(make_phone: MakePhone, adb_server: AdbServer) -> None:
    phone = make_phone(connected=False)
    phone.freeze()
    with pytest.raises(subprocess.TimeoutExpired):
        adb_server.run("connect", phone.serial, timeout_s=0.3)
    assert adb_server.state(phone.serial) == "offline"


def test_unauthorized_then_accepted(make_phone: MakePhone, adb_server: AdbServer) -> None:
    phone = make_phone(connected=False)
    phone.ask_for_key()
    assert adb_server.connect(phone.serial) == f"failed to authenticate to {phone.serial}"
    assert adb_server.state(phone.serial) == "unauthorized"
    done = _shell(adb_server, phone, "true")
    assert done.returncode == 1
    assert b"device unauthorized" in done.stderr
    phone.accept_key()
    assert phone.wait_for(lambda: adb_server.state(phone.serial) == "device")
    assert _shell(adb_server, phone, "echo in").stdout == b"in\n"


def test_a_known_key_is_accepted_at_once(make_phone: MakePhone, adb_server: AdbServer) -> None:
    phone = make_phone(connected=False)
    phone.ask_for_key()
    phone.accept_key()
    assert adb_server.connect(phone.serial) == f"connected to {phone.serial}"


def test_reboot(phone: Phone, adb_server: AdbServer) -> None:
    _shell(adb_server, phone, "echo kept > /data/local/tmp/x; sleep 60 > /dev/null 2>&1 < /dev/null &")
    _shell(adb_server, phone, "cmd power set-fixed-performance-mode-enabled true")
    phone.conditions.booted_at_s -= 1000
    phone.may_start = False
    phone.reboot()
    assert phone.processes() == []
    assert adb_server.connect(phone.serial) != f"connected to {phone.serial}"
    phone.may_start = True
    _reconnect(adb_server, phone)
    told = _shell(adb_server, phone, "cat /proc/uptime /data/local/tmp/x").stdout.split()
    assert float(told[0]) < 100
    assert told[2] == b"kept"
    assert not phone.fixed_performance


def test_rebooted_by_adb(phone: Phone, adb_server: AdbServer) -> None:
    phone.conditions.booted_at_s -= 1000
    phone.may_start = False
    assert adb_server.run("-s", phone.serial, "reboot").returncode == 0
    assert phone.wait_for(lambda: adb_server.state(phone.serial) == "offline")
    adb_server.disconnect(phone.serial)
    phone.may_start = True
    assert phone.wait_for(lambda: adb_server.connect(phone.serial) == f"connected to {phone.serial}")
    assert float(_shell(adb_server, phone, "cat /proc/uptime").stdout.split()[0]) < 100


def test_old_android_has_no_exit_codes(make_phone: MakePhone, adb_server: AdbServer) -> None:
    phone = make_phone(connected=False)
    phone.faults.shell_v2 = False
    adb_server.reach(phone.serial)
    done = _shell(adb_server, phone, "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\nerr\n", b"")
    phone.faults.crlf = True
    assert _shell(adb_server, phone, "echo out").stdout == b"out\r\n"


def test_throttling_and_cooling(phone: Phone, adb_server: AdbServer) -> None:
    phone.conditions.ramps = False
    assert _shell(adb_server, phone, _CLOCK).stdout == b"2400000\n"
    phone.throttle(clock_fraction=0.5, thermal_status=3)
    status = "dumpsys thermalservice | grep 'Thermal Status'"
    assert _shell(adb_server, phone, f"{_CLOCK}; {status}").stdout == b"1200000\nThermal Status: 3\n"
    phone.cool()
    assert _shell(adb_server, phone, f"{_CLOCK}; {status}").stdout == b"2400000\nThermal Status: 0\n"


def test_clocks_change_while_a_script_runs(phone: Phone, adb_server: AdbServer) -> None:
    phone.conditions.ramps = False
    begun = phone.host_path("/data/local/tmp/begun")
    phone.when(begun.exists, lambda: phone.throttle(clock_fraction=0.5))
    script = f"{_CLOCK}; > /data/local/tmp/begun; until {_CLOCK} | grep -v 2400000; do sleep 0.01; done"
    assert _shell(adb_server, phone, script).stdout == b"2400000\n1200000\n"


def test_a_core_that_another_process_loads(phone: Phone, adb_server: AdbServer) -> None:
    phone.conditions.loaded_cpus = frozenset({7})
    assert _shell(adb_server, phone, f"{_CLOCK}; cut -d' ' -f1 /proc/loadavg").stdout == b"2400000\n1.00\n"


def test_a_clock_that_cannot_be_read(phone: Phone, adb_server: AdbServer) -> None:
    phone.conditions.unreadable_clocks = frozenset({7})
    done = _shell(adb_server, phone, _CLOCK)
    assert done.returncode == 1
    assert done.stderr.endswith(b"No such file or directory\n")


def test_a_command_that_is_missing(phone: Phone, adb_server: AdbServer) -> None:
    phone.remove_command("taskset")
    done = _shell(adb_server, phone, "taskset f0 true")
    assert (done.returncode, done.stderr) == (127, b"/system/bin/sh: taskset: inaccessible or not found\n")


def test_a_taskset_that_does_nothing(phone: Phone, adb_server: AdbServer) -> None:
    phone.faults.taskset_ignored = True
    shown = "until grep 'allowed:' /proc/$!/status 2> /dev/null; do sleep 0.01; done"
    script = f"taskset f0 sleep 60 & {shown}; kill $!"
    assert _shell(adb_server, phone, script).stdout == b"Cpus_allowed:\tff\n"


def test_a_folder_where_nothing_can_be_executed(phone: Phone, adb_server: AdbServer) -> None:
    phone.faults.no_execution = True
    script = "cd /data/local/tmp; echo 'echo ran' > p; chmod 755 p; ./p"
    done = _shell(adb_server, phone, script)
    assert (done.returncode, done.stdout) == (126, b"")
    assert done.stderr == b"/system/bin/sh: ./p: Permission denied\n"


def test_a_binary_for_another_processor(phone: Phone, adb_server: AdbServer) -> None:
    phone.host_path("/data/local/tmp/elf").write_bytes(foreign_binary())
    script = "cd /data/local/tmp; chmod 755 elf; taskset f0 ./elf; echo $?; ./elf"
    done = _shell(adb_server, phone, script)
    assert (done.returncode, done.stdout) == (126, b"126\n")
    assert done.stderr.splitlines() == [
        b"taskset: exec ./elf: Exec format error",
        b"/system/bin/sh: ./elf: not executable: 64-bit ELF file",
    ]


def test_garbled_properties(phone: Phone, adb_server: AdbServer) -> None:
    phone.faults.garbled_properties = True
    lines = _shell(adb_server, phone, "getprop").stdout.decode().splitlines()
    assert len(lines) == len(phone.layout.properties)
    assert not any(line.startswith("[ro.product.model]:") for line in lines)


def test_several_devices_must_be_told_apart(
    phone: Phone, make_phone: MakePhone, adb_server: AdbServer
) -> None:
    other = make_phone()
    done = adb_server.run("shell", "true")
    assert done.returncode == 1
    assert b"more than one device" in done.stderr
    assert {adb_server.state(one.serial) for one in (phone, other)} == {"device"}


def test_nothing_is_left_when_a_phone_is_closed(make_phone: MakePhone, adb_server: AdbServer) -> None:
    phone = make_phone()
    _shell(adb_server, phone, "sleep 60 > /dev/null 2>&1 < /dev/null &")
    assert phone.wait_for(lambda: len(phone.processes()) == 1)
    phone.close()
    assert phone.processes() == []
