// classify FOLDER IMAGE.ppm: prints the five best answers for a binary PPM file (P6), best first.

#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "classifier.h"

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
    std::cerr << "usage: classify FOLDER IMAGE.ppm\n";
    return 2;
  }
  try {
    int width = 0;
    int height = 0;
    const auto rgb = ReadPpm(argv[2], &width, &height);
    edge_mnv3::Classifier classifier(std::string(argv[1]) + "/");
    for (const auto& answer : classifier.Classify(rgb, width, height)) {
      std::cout << answer.score << '\t' << answer.label << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
