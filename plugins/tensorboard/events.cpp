#include "events.hpp"

#include <chrono>

namespace ailab::tensorboard {
namespace {

using wire::Message;

// Types of a TensorProto (types.proto) and classes of a time series (summary.proto).
constexpr int type_float = 1;
constexpr int type_string = 7;
constexpr int class_tensor = 2;

Message event(const Moment& moment) {
    return Message().add(1, moment.time).add(2, moment.step);
}

Message metadata(const std::string& plugin, const Message& content) {
    return Message().add(1, Message().add(1, plugin).add(2, content)).add(4, class_tensor);
}

/// A TensorShapeProto with one dimension.
Message shape(int64_t size) {
    return Message().add(2, Message().add(1, size));
}

}  // namespace

double wall_time() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration<double>(now).count();
}

Message summary_event(const Moment& moment, const Message& values) {
    return event(moment).add(5, values);
}

Message graph_event(const Moment& moment, const std::string& graph_def) {
    return event(moment).add(4, graph_def);
}

Message restart_event(const Moment& moment) {
    constexpr int start = 1;
    return event(moment).add(7, Message().add(1, start));
}

Message scalar_value(const std::string& tag, double value) {
    return Message().add(1, tag).add(2, float(value));
}

Message text_value(const std::string& tag, const std::string& markdown) {
    const Message tensor = Message().add(1, type_string).add(2, shape(1)).add(8, markdown);
    return Message().add(1, tag).add(9, metadata("text", {})).add(8, tensor);
}

Message histogram_value(const std::string& tag, const Histogram& h) {
    Message histogram =
        Message().add(1, h.min).add(2, h.max).add(3, h.num).add(4, h.sum).add(5, h.sum_squares);
    histogram.packed(6, h.limits).packed(7, h.counts);
    return Message().add(1, tag).add(5, histogram);
}

Message image_value(const std::string& tag, const EncodedImage& image) {
    const Message picture =
        Message().add(1, image.height).add(2, image.width).add(3, image.channels).add(4, image.png);
    return Message().add(1, tag).add(4, picture);
}

Message plugin_value(const std::string& tag, const std::string& plugin, const Message& content) {
    const Message nothing = Message().add(1, type_float).add(2, shape(0));
    return Message().add(1, tag).add(9, metadata(plugin, content)).add(8, nothing);
}

}  // namespace ailab::tensorboard
