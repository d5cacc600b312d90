// pixels WIDTH HEIGHT IN OUT: reads RGB bytes, writes the bytes that the model would see.

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "preprocessing.h"

int main(int, char** argv) {
  std::ifstream in(argv[3], std::ios::binary);
  const std::vector<std::uint8_t> rgb{std::istreambuf_iterator<char>(in), {}};
  const auto pixels = edge_mnv3::Pixels(rgb, std::atoi(argv[1]), std::atoi(argv[2]));
  std::ofstream out(argv[4], std::ios::binary);
  out.write(reinterpret_cast<const char*>(pixels.data()), static_cast<std::streamsize>(pixels.size()));
}
