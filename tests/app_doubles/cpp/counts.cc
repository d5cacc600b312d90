// counts FOLDER: gives a classifier too few pixels, too many, and as many as it wants; prints what it says.

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "classifier.h"

int main(int, char** argv) {
  edge_mnv3::Classifier classifier(std::string(argv[1]) + "/");
  const std::size_t wanted = static_cast<std::size_t>(edge_mnv3::kHeight) * edge_mnv3::kWidth * edge_mnv3::kChannels;
  for (std::size_t count : {std::size_t{0}, wanted - 1, wanted + 1, wanted}) {
    try {
      std::cout << classifier.Scores(std::vector<std::uint8_t>(count)).size() << " scores\n";
    } catch (const std::invalid_argument& error) {
      std::cout << error.what() << '\n';
    }
  }
}
