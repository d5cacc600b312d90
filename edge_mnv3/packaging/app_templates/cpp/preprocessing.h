// What is done to an image before the model sees it: %%{preprocess_description}.
//
// The same arithmetic as in the measurement of the model's accuracy: bilinear, and where it shrinks, an average over the
// area that a pixel covers.

#ifndef EDGE_MNV3_PREPROCESSING_H_
#define EDGE_MNV3_PREPROCESSING_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace edge_mnv3 {

// Columns, rows and channels of the model's input.
constexpr int kWidth = %%{width};
constexpr int kHeight = %%{height};
constexpr int kChannels = %%{channels};

namespace internal {

constexpr int kWeightBits = 22;
constexpr int kHalf = 1 << (kWeightBits - 1);

// The source pixels that one target pixel is made of: from `start` on, one weight each.
struct Taps {
  int start;
  std::vector<int> weights;
};

inline std::vector<Taps> MakeTaps(int length, float from, float to, int size) {
  const double scale = static_cast<double>(to - from) / size;
  const double support = std::max(scale, 1.0);
  std::vector<Taps> taps;
  for (int target = 0; target < size; ++target) {
    const double center = from + (target + 0.5) * scale;
    const int start = std::max(static_cast<int>(center - support + 0.5), 0);
    const int end = std::min(static_cast<int>(center + support + 0.5), length);
    std::vector<double> shares;
    double sum = 0.0;
    for (int source = start; source < end; ++source) {
      shares.push_back(std::max(1.0 - std::fabs((source - center + 0.5) * (1.0 / support)), 0.0));
      sum += shares.back();
    }
    Taps made{start, {}};
    for (double share : shares) {
      made.weights.push_back(static_cast<int>(0.5 + share / sum * (1 << kWeightBits)));
    }
    taps.push_back(made);
  }
  return taps;
}

inline std::uint8_t Clip(int sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

// height x width x kChannels bytes to height x kWidth x kChannels.
inline std::vector<std::uint8_t> ResizeRows(const std::vector<std::uint8_t>& source, int width, int height,
                                            const std::vector<Taps>& columns) {
  std::vector<std::uint8_t> result;
  result.reserve(static_cast<std::size_t>(height) * kWidth * kChannels);
  for (int y = 0; y < height; ++y) {
    for (const Taps& column : columns) {
      const std::uint8_t* first = &source[(static_cast<std::size_t>(y) * width + column.start) * kChannels];
      for (int channel = 0; channel < kChannels; ++channel) {
        int sum = kHalf;
        for (std::size_t i = 0; i < column.weights.size(); ++i) {
          sum += first[i * kChannels + channel] * column.weights[i];
        }
        result.push_back(Clip(sum));
      }
    }
  }
  return result;
}

// height x width x kChannels bytes to kHeight x width x kChannels.
inline std::vector<std::uint8_t> ResizeColumns(const std::vector<std::uint8_t>& source, int width,
                                               const std::vector<Taps>& rows) {
  const std::size_t row_length = static_cast<std::size_t>(width) * kChannels;
  std::vector<std::uint8_t> result;
  result.reserve(kHeight * row_length);
  for (const Taps& row : rows) {
    for (std::size_t x = 0; x < row_length; ++x) {
      int sum = kHalf;
      for (std::size_t i = 0; i < row.weights.size(); ++i) {
        sum += source[(row.start + i) * row_length + x] * row.weights[i];
      }
      result.push_back(Clip(sum));
    }
  }
  return result;
}

}  // namespace internal

// Turns height x width x 3 bytes, RGB, row by row, into kHeight x kWidth x kChannels bytes, %%{colours}. The image is
// upright: turn photographs as their EXIF orientation says.
inline std::vector<std::uint8_t> Pixels(const std::vector<std::uint8_t>& rgb, int image_width,
                                        int image_height) {
  if (image_width < 1 || image_height < 1 ||
      rgb.size() != static_cast<std::size_t>(image_width) * image_height * 3) {
    throw std::invalid_argument("not a width x height x 3 image");
  }
  using std::floor;
  using std::min;
  const double width = image_width;
  const double height = image_height;
  // The part of the image that is used.
  const double left = %%{box_left};
  const double upper = %%{box_upper};
  const double right = %%{box_right};
  const double lower = %%{box_lower};
  const auto columns =
      internal::MakeTaps(image_width, static_cast<float>(left), static_cast<float>(right), kWidth);
  const auto rows =
      internal::MakeTaps(image_height, static_cast<float>(upper), static_cast<float>(lower), kHeight);

%%{cpp_channels}
  // The order matters in the last bit: each pass rounds.
  if (image_height > kHeight && image_height - kHeight > (image_width - kWidth) * 2) {
    return internal::ResizeRows(internal::ResizeColumns(source, image_width, rows), image_width, kHeight,
                                columns);
  }
  return internal::ResizeColumns(internal::ResizeRows(source, image_width, image_height, columns), kWidth,
                                 rows);
}

}  // namespace edge_mnv3

#endif  // EDGE_MNV3_PREPROCESSING_H_
