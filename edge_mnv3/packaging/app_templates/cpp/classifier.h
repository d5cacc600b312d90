// Classifier "%%{name}" on top of model.h. Not thread-safe.

#ifndef EDGE_MNV3_CLASSIFIER_H_
#define EDGE_MNV3_CLASSIFIER_H_

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "model.h"

namespace edge_mnv3 {

constexpr char kLabelsFile[] = "%%{labels_file}";
constexpr int kClassCount = %%{class_count};
%%{cpp_constants}
// One answer: a line of the labels file, and its score.
struct Classification {
  std::string label;
  float score;
};

class Classifier {
 public:
  // Reads the model and its labels from a folder, which ends with a slash or is empty. Throws std::runtime_error.
  explicit Classifier(const std::string& folder = "") : labels_(ReadLabels(folder + kLabelsFile)), model_(folder) {}

  // %%{cpp_classify_doc}
  std::vector<Classification> Classify(const std::vector<std::uint8_t>& rgb, int width, int height%%{cpp_count}) {
    const std::vector<float> scores = Scores(Pixels(rgb, width, height));
    std::vector<int> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return scores[a] > scores[b]; });
    std::vector<Classification> best;
%%{cpp_choose}
    return best;
  }

  // The scores of all classes for kHeight x kWidth x kChannels pixels. Throws std::invalid_argument where there are
  // more or fewer.
  std::vector<float> Scores(const std::vector<std::uint8_t>& pixels) {
    return model_.RunPixels(pixels).begin()->second;
  }

 private:
  static std::vector<std::string> ReadLabels(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::string> labels;
    for (std::string line; std::getline(file, line);) labels.push_back(line);
    if (labels.size() != kClassCount) {
      throw std::runtime_error(path + " has " + std::to_string(labels.size()) + " lines, not " +
                               std::to_string(kClassCount));
    }
    return labels;
  }

  std::vector<std::string> labels_;
  Model model_;
};

}  // namespace edge_mnv3

#endif  // EDGE_MNV3_CLASSIFIER_H_
