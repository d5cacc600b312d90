"""What every part stands on: errors, runtime, processes, output files, results, the flatbuffer layer."""
