"""The processors that can be emulated, as XNNPACK tells them apart: by features and `/proc/cpuinfo`."""

from __future__ import annotations

from dataclasses import dataclass

_ARMV8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
_ARMV82 = f"{_ARMV8} atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True, slots=True)
class Processor:
    """A core of a phone's processor.

    Attributes:
        cpu: What users call it.
        phones: Phones whose large core it is, for people.
        qemu: What qemu calls the processor that has these instructions.
        implementer: As the kernel shows it, hexadecimal.
        part: As the kernel shows it, hexadecimal.
        features: As the kernel lists them.
        llvm: What LLVM calls the processor whose pipeline stands for it.
        second_cache_bytes: Size of its second cache.
    """

    cpu: str
    phones: str
    qemu: str
    implementer: str
    part: str
    features: str
    llvm: str
    second_cache_bytes: int

    def cpuinfo(self) -> str:
        """Writes `/proc/cpuinfo` of two such cores."""
        return "".join(
            f"processor\t: {number}\nFeatures\t: {self.features}\nCPU implementer\t: {self.implementer}\n"
            f"CPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: {self.part}\nCPU revision\t: 0\n\n"
            for number in range(2)
        )

    def is_shown_by(self, cpuinfo: str) -> bool:
        """Whether a process that reads this text takes its processor for this one."""
        fields = [tuple(map(str.strip, line.partition(":")[::2])) for line in cpuinfo.splitlines()]
        shown = {name: {value for other, value in fields if other == name} for name, _ in fields}
        features = [set(value.split()) for value in shown.get("Features", ())]
        return (
            shown.get("CPU implementer") == {self.implementer}
            and shown.get("CPU part") == {self.part}
            and all(("asimddp" in each) == ("asimddp" in self.features) for each in features)
            and all(("i8mm" in each) == ("i8mm" in self.features) for each in features)
        )


_MIB = 1 << 20
# LLVM has a pipeline of Kryo's own. For Cortex-A72 to A78 it takes that of Cortex-A57, which A73 alone is
# near. A76 is also the core of Neoverse N1, and X3 that of Neoverse V2, which have pipelines of their own.
_TABLE = (
    Processor("kryo", "Pixel 1", "cortex-a72", "0x51", "0x205", _ARMV8, "kryo", _MIB),
    Processor("a73", "Pixel 2", "cortex-a72", "0x41", "0xd09", _ARMV8, "cortex-a73", 2 * _MIB),
    Processor("a76", "Pixel 4", "cortex-a76", "0x41", "0xd0b", _ARMV82, "neoverse-n1", _MIB // 2),
    # qemu's `max` has more than this core: products of matrices in scalable vectors, and longer vectors.
    Processor(
        "x3", "Pixel 8", "max,sve=off,sme=off", "0x41", "0xd4e", f"{_ARMV82} i8mm bf16", "neoverse-v2", _MIB
    ),
)
PROCESSORS = {each.cpu: each for each in _TABLE}
