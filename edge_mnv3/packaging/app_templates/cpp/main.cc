// %%{cpp_program} FOLDER IMAGE.ppm: prints %%{cpp_prints} for a binary PPM file (P6).

#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "%%{cpp_header}"

namespace {

std::vector<std::uint8_t> ReadPpm(const std::string& path, int* width, int* height) {
  std::ifstream file(path, std::ios::binary);
  std::string kind;
  int largest = 0;
  file >> kind >> *width >> *height >> largest;
  file.get();
  if (!file || kind != "P6" || largest != 255 || *width < 1 || *height < 1) {
    throw std::runtime_error(path + " is not a binary PPM file of 8 bits");
  }
  std::vector<std::uint8_t> rgb(static_cast<std::size_t>(*width) * *height * 3);
  file.read(reinterpret_cast<char*>(rgb.data()), static_cast<std::streamsize>(rgb.size()));
  if (!file) throw std::runtime_error(path + " is cut short");
  return rgb;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: %%{cpp_program} FOLDER IMAGE.ppm\n";
    return 2;
  }
  try {
    int width = 0;
    int height = 0;
    const auto rgb = ReadPpm(argv[2], &width, &height);
%%{cpp_print}
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
