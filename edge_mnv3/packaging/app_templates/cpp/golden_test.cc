// golden_test FOLDER GOLDEN: holds the answers of this machine to the bundle's golden ones: all %%{golden_count} images,
// all numbers. FOLDER has the model, GOLDEN is the bundle's folder golden. Exits with 1 where an answer differs by more
// than the bundle allows for the CPU with XNNPACK, and says which.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "model.h"

namespace {

constexpr int kImages = %%{golden_count};

struct Golden {
  std::string name;
  std::string file;  // the start of the golden files
  double step;       // what the limit counts; millionths of the image's largest golden number where it is 0
  double limit;
};

std::vector<Golden> Goldens() {
  return {
%%{golden_cpp_outputs}  };
}

std::vector<std::uint8_t> Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t Top(const std::vector<float>& numbers) {
  return static_cast<std::size_t>(std::max_element(numbers.begin(), numbers.end()) - numbers.begin());
}

std::vector<float> Stored(const edge_mnv3::Output& output, const std::vector<std::uint8_t>& bytes) {
  if (output.element_type == kLiteRtElementTypeFloat32) {
    std::vector<float> numbers(bytes.size() / sizeof(float));
    std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(float));
    return numbers;
  }
  std::vector<float> numbers(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int stored =
        output.element_type == kLiteRtElementTypeUInt8 ? bytes[i] : static_cast<std::int8_t>(bytes[i]);
    numbers[i] = (stored - output.zero_point) * output.scale;
  }
  return numbers;
}

// What is wrong with an answer, in words; empty where nothing is.
std::string Mistake(const Golden& limits, const std::vector<float>& golden, const std::vector<float>& answer) {
  std::ostringstream words;
  if (golden.size() != answer.size() || golden.empty()) {
    words << answer.size() << " numbers, not " << golden.size();
    return words.str();
  }
  double largest = 0.0;
  for (float number : golden) largest = std::max(largest, std::abs(static_cast<double>(number)));
  const double unit = limits.step > 0.0 ? limits.step : (largest > 0.0 ? largest : 1.0) / 1e6;
  std::size_t worst = 0;
  double most = -1.0;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    double apart = std::abs(static_cast<double>(golden[i]) - answer[i]) / unit;
    if (std::isnan(apart)) apart = std::numeric_limits<double>::infinity();
    if (limits.step > 0.0) apart = std::round(apart);
    if (apart > most) {
      most = apart;
      worst = i;
    }
  }
  if (most <= limits.limit) return "";
  words << "number " << worst << " is " << answer[worst] << ", the golden one " << golden[worst] << ": " << most
        << (limits.step > 0.0 ? " steps" : " millionths of the largest") << " apart, " << limits.limit
        << " allowed; the highest number is at " << Top(answer) << ", the golden one at " << Top(golden);
  return words.str();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: golden_test FOLDER GOLDEN\n";
    return 2;
  }
  try {
    edge_mnv3::Model model(std::string(argv[1]) + "/");
    const std::string folder = std::string(argv[2]) + "/";
    const auto outputs = edge_mnv3::Outputs();
    const auto goldens = Goldens();
    int wrong = 0;
    for (int image = 0; image < kImages; ++image) {
      const std::string number = (image < 10 ? "0" : "") + std::to_string(image);
      const auto pixels = Read(folder + "image_" + number + ".%%{golden_extension}");
      const std::size_t wanted = static_cast<std::size_t>(edge_mnv3::kHeight) * edge_mnv3::kWidth * edge_mnv3::kChannels;
      if (pixels.size() != wanted) throw std::runtime_error("image_" + number + " is of another size");
      const auto answers = model.RunPixels(pixels);
      for (std::size_t i = 0; i < goldens.size(); ++i) {
        const auto golden = Stored(outputs[i], Read(folder + goldens[i].file + "_" + number + ".bin"));
        const std::string mistake = Mistake(goldens[i], golden, answers.at(goldens[i].name));
        if (mistake.empty()) continue;
        ++wrong;
        std::cerr << "image_" << number << ", output " << goldens[i].name << ": " << mistake << '\n';
      }
    }
    const auto all = static_cast<std::size_t>(kImages) * goldens.size();
    if (wrong > 0) {
      std::cerr << wrong << " of " << all << " golden answers of %%{model_file} differ\n";
      return 1;
    }
    std::cout << all << " golden answers of %%{model_file} are as they should be\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
