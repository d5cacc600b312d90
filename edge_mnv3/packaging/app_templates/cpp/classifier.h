// Classifier "%%{name}" with LiteRT's C API (2.1.6 or later), on the CPU. Not thread-safe.

#ifndef EDGE_MNV3_CLASSIFIER_H_
#define EDGE_MNV3_CLASSIFIER_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "litert/c/litert_common.h"
#include "litert/c/litert_compiled_model.h"
#include "litert/c/litert_environment.h"
#include "litert/c/litert_model.h"
#include "litert/c/litert_options.h"
#include "litert/c/litert_tensor_buffer.h"
#include "preprocessing.h"

namespace edge_mnv3 {

constexpr char kModelFile[] = "%%{model_file}";
constexpr char kLabelsFile[] = "%%{labels_file}";
constexpr int kClassCount = %%{class_count};

// One answer: a line of the labels file, and its score.
struct Classification {
  std::string label;
  float score;
};

class Classifier {
 public:
  // Reads the model and its labels from a folder, which ends with a slash or is empty. Throws std::runtime_error.
  explicit Classifier(const std::string& folder = "") : labels_(ReadLabels(folder + kLabelsFile)) {
    LiteRtEnvironment environment = nullptr;
    Check(LiteRtCreateEnvironment(0, nullptr, &environment), "create an environment");
    environment_.reset(environment);
    LiteRtModel model = nullptr;
    Check(LiteRtCreateModelFromFile(environment, (folder + kModelFile).c_str(), &model), "read the model");
    model_.reset(model);
    LiteRtOptions options = nullptr;
    Check(LiteRtCreateOptions(&options), "create options");
    options_.reset(options);
    Check(LiteRtSetOptionsHardwareAccelerators(options, kLiteRtHwAcceleratorCpu), "choose the CPU");
    LiteRtCompiledModel compiled = nullptr;
    Check(LiteRtCreateCompiledModel(environment, model, options, &compiled), "compile the model");
    compiled_.reset(compiled);

    LiteRtTensorBufferRequirements requirements = nullptr;
    Check(LiteRtGetCompiledModelInputBufferRequirements(compiled, 0, 0, &requirements), "ask for the input");
    input_ = Buffer(%%{cpp_input_type}, {1, kHeight, kWidth, kChannels}, requirements);
    Check(LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, 0, &requirements), "ask for the output");
    output_ = Buffer(%%{cpp_output_type}, {1, kClassCount}, requirements);
  }

  // The `count` best answers for an upright image of width x height x 3 bytes, RGB, best first.
  std::vector<Classification> Classify(const std::vector<std::uint8_t>& rgb, int width, int height,
                                       int count = 5) {
    const std::vector<float> scores = Scores(Pixels(rgb, width, height));
    std::vector<int> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return scores[a] > scores[b]; });
    std::vector<Classification> best;
    for (int i = 0; i < std::min(count, kClassCount); ++i) {
      best.push_back({labels_[order[i]], scores[order[i]]});
    }
    return best;
  }

  // The scores of all classes for kHeight x kWidth x kChannels pixels.
  std::vector<float> Scores(const std::vector<std::uint8_t>& pixels) {
    %%{cpp_convert_input}
    void* memory = nullptr;
    Check(LiteRtLockTensorBuffer(input_.get(), &memory, kLiteRtTensorBufferLockModeWrite), "open the input");
    std::memcpy(memory, input.data(), input.size() * sizeof(input[0]));
    Check(LiteRtUnlockTensorBuffer(input_.get()), "close the input");

    LiteRtTensorBuffer inputs[] = {input_.get()};
    LiteRtTensorBuffer outputs[] = {output_.get()};
    Check(LiteRtRunCompiledModel(compiled_.get(), 0, 1, inputs, 1, outputs), "run the model");

    Check(LiteRtLockTensorBuffer(output_.get(), &memory, kLiteRtTensorBufferLockModeRead), "open the output");
    const auto* output = static_cast<const %%{cpp_output_element}*>(memory);
    std::vector<float> scores(kClassCount);
    for (int i = 0; i < kClassCount; ++i) scores[i] = %%{cpp_score};
    Check(LiteRtUnlockTensorBuffer(output_.get()), "close the output");
    return scores;
  }

 private:
  template <typename Handle, void (*kDestroy)(Handle)>
  struct Destroy {
    void operator()(Handle handle) const { kDestroy(handle); }
  };
  template <typename Handle, void (*kDestroy)(Handle)>
  using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<Handle, kDestroy>>;
  using OwnedBuffer = Owned<LiteRtTensorBuffer, LiteRtDestroyTensorBuffer>;

  static void Check(LiteRtStatus status, const std::string& what) {
    if (status != kLiteRtStatusOk) {
      throw std::runtime_error("cannot " + what + ": LiteRT status " + std::to_string(status));
    }
  }

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

  OwnedBuffer Buffer(LiteRtElementType element_type, const std::vector<std::int32_t>& shape,
                     LiteRtTensorBufferRequirements requirements) {
    LiteRtRankedTensorType type{};
    type.element_type = element_type;
    type.layout.rank = static_cast<unsigned int>(shape.size());
    std::copy(shape.begin(), shape.end(), type.layout.dimensions);
    LiteRtTensorBuffer buffer = nullptr;
    Check(LiteRtCreateManagedTensorBufferFromRequirements(environment_.get(), &type, requirements, &buffer),
          "create a tensor buffer");
    return OwnedBuffer(buffer);
  }

  std::vector<std::string> labels_;
  // In the order of their making: destroyed from the last one on.
  Owned<LiteRtEnvironment, LiteRtDestroyEnvironment> environment_;
  Owned<LiteRtModel, LiteRtDestroyModel> model_;
  Owned<LiteRtOptions, LiteRtDestroyOptions> options_;
  Owned<LiteRtCompiledModel, LiteRtDestroyCompiledModel> compiled_;
  OwnedBuffer input_;
  OwnedBuffer output_;
};

}  // namespace edge_mnv3

#endif  // EDGE_MNV3_CLASSIFIER_H_
