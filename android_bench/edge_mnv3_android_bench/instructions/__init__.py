"""What one inference costs on a 64-bit Arm processor: its instructions, counted under an emulator."""
