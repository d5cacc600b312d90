// Model "%%{name}" with LiteRT's C API (2.1.6 or later), on the CPU: its outputs by their names. Not thread-safe.

#ifndef EDGE_MNV3_MODEL_H_
#define EDGE_MNV3_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
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

// An output: a stored number q stands for (q - zero_point) * scale.
struct Output {
  std::string name;
  LiteRtElementType element_type;
  std::vector<std::int32_t> dimensions;
  float scale;
  int zero_point;
};

// The outputs: %%{outputs_in_words}.
inline std::vector<Output> Outputs() {
  return {
%%{cpp_outputs}  };
}

class Model {
 public:
  // Reads the model from a folder, which ends with a slash or is empty. Throws std::runtime_error.
  explicit Model(const std::string& folder = "") : outputs_(Outputs()) {
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
    const std::vector<std::string> order = OutputNames(model);
    for (const Output& output : outputs_) {
      const auto place = std::find(order.begin(), order.end(), output.name) - order.begin();
      if (place == static_cast<std::ptrdiff_t>(order.size())) {
        throw std::runtime_error("the model has no output " + output.name);
      }
      places_.push_back(static_cast<std::size_t>(place));
    }
    buffers_.resize(outputs_.size());
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      Check(LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, places_[i], &requirements),
            "ask for the output");
      buffers_[i] = Buffer(outputs_[i].element_type, outputs_[i].dimensions, requirements);
    }
  }

  // The outputs for an upright image of width x height x 3 bytes, RGB, by name; each row by row, channels last.
  std::map<std::string, std::vector<float>> Run(const std::vector<std::uint8_t>& rgb, int width, int height) {
    return RunPixels(Pixels(rgb, width, height));
  }

  // The outputs for kHeight x kWidth x kChannels pixels. Throws std::invalid_argument where there are more or fewer.
  std::map<std::string, std::vector<float>> RunPixels(const std::vector<std::uint8_t>& pixels) {
    constexpr std::size_t kExpected = static_cast<std::size_t>(kHeight) * kWidth * kChannels;
    if (pixels.size() != kExpected) {
      throw std::invalid_argument(std::to_string(pixels.size()) + " bytes of pixels, expected " +
                                  std::to_string(kExpected) + ", as Pixels gives them");
    }
    %%{cpp_convert_input}
    void* memory = nullptr;
    Check(LiteRtLockTensorBuffer(input_.get(), &memory, kLiteRtTensorBufferLockModeWrite), "open the input");
    std::memcpy(memory, input.data(), input.size() * sizeof(input[0]));
    Check(LiteRtUnlockTensorBuffer(input_.get()), "close the input");

    LiteRtTensorBuffer inputs[] = {input_.get()};
    std::vector<LiteRtTensorBuffer> outputs(buffers_.size());
    for (std::size_t i = 0; i < buffers_.size(); ++i) outputs[places_[i]] = buffers_[i].get();
    Check(LiteRtRunCompiledModel(compiled_.get(), 0, 1, inputs, outputs.size(), outputs.data()), "run the model");

    std::map<std::string, std::vector<float>> results;
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      Check(LiteRtLockTensorBuffer(buffers_[i].get(), &memory, kLiteRtTensorBufferLockModeRead), "open an output");
      results[outputs_[i].name] = Numbers(outputs_[i], memory);
      Check(LiteRtUnlockTensorBuffer(buffers_[i].get()), "close an output");
    }
    return results;
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

  // LiteRT orders outputs as the model's signature does.
  static std::vector<std::string> OutputNames(LiteRtModel model) {
    LiteRtSignature signature = nullptr;
    Check(LiteRtGetModelSignature(model, 0, &signature), "read the signature");
    LiteRtParamIndex count = 0;
    Check(LiteRtGetNumSignatureOutputs(signature, &count), "count the outputs");
    std::vector<std::string> names;
    for (LiteRtParamIndex i = 0; i < count; ++i) {
      const char* name = nullptr;
      Check(LiteRtGetSignatureOutputName(signature, i, &name), "read the name of an output");
      names.emplace_back(name);
    }
    if (names.size() != Outputs().size()) throw std::runtime_error("the model has other outputs");
    return names;
  }

  static std::vector<float> Numbers(const Output& output, const void* memory) {
    std::size_t count = 1;
    for (std::int32_t side : output.dimensions) count *= static_cast<std::size_t>(side);
    std::vector<float> numbers(count);
    for (std::size_t i = 0; i < count; ++i) {
      switch (output.element_type) {
        case kLiteRtElementTypeUInt8:
          numbers[i] = (static_cast<const std::uint8_t*>(memory)[i] - output.zero_point) * output.scale;
          break;
        case kLiteRtElementTypeInt8:
          numbers[i] = (static_cast<const std::int8_t*>(memory)[i] - output.zero_point) * output.scale;
          break;
        default:
          numbers[i] = static_cast<const float*>(memory)[i];
      }
    }
    return numbers;
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

  std::vector<Output> outputs_;
  std::vector<std::size_t> places_;  // of each output in the model's signature
  // In the order of their making: destroyed from the last one on.
  Owned<LiteRtEnvironment, LiteRtDestroyEnvironment> environment_;
  Owned<LiteRtModel, LiteRtDestroyModel> model_;
  Owned<LiteRtOptions, LiteRtDestroyOptions> options_;
  Owned<LiteRtCompiledModel, LiteRtDestroyCompiledModel> compiled_;
  OwnedBuffer input_;
  std::vector<OwnedBuffer> buffers_;
};

}  // namespace edge_mnv3

#endif  // EDGE_MNV3_MODEL_H_
