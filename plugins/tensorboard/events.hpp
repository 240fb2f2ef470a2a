#pragma once
// The messages in an event file: tensorboard/compat/proto/{event,summary,tensor}.proto. All
// functions that return a summary value give one entry of Summary.value.
#include <cstdint>
#include <string>

#include "ailab/support/protobuf.hpp"
#include "histogram.hpp"

namespace ailab::tensorboard {

/// Seconds since 1970, as events keep it.
double wall_time();

/// When and at which optimizer step something was.
struct Moment {
    double time = wall_time();
    int64_t step = 0;
};

/// `values` is a Summary: Message().add(1, value).add(1, value)…
wire::Message summary_event(const Moment& moment, const wire::Message& values);
wire::Message graph_event(const Moment& moment, const std::string& graph_def);
/// Readers then drop what earlier files of the run have at this step and later.
wire::Message restart_event(const Moment& moment);

wire::Message scalar_value(const std::string& tag, double value);
wire::Message text_value(const std::string& tag, const std::string& markdown);
wire::Message histogram_value(const std::string& tag, const Histogram& histogram);
/// A PNG.
struct EncodedImage {
    int height = 0, width = 0, channels = 0;
    std::string png;
};
wire::Message image_value(const std::string& tag, const EncodedImage& image);
/// What a plugin of TensorBoard keeps under a tag without any data: `content` is its own message.
wire::Message plugin_value(const std::string& tag, const std::string& plugin,
                           const wire::Message& content);

}  // namespace ailab::tensorboard
