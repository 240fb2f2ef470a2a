#pragma once
#include <string>

#include "ailab/node.hpp"

namespace ailab::wandb {

/// The shortest text that reads back to the same number; NaN and Infinity as the W&B client writes
/// them.
std::string json(double number);
std::string json(const std::string& text);
/// One line. What the configuration takes from the environment (`${env:…}`) stays unexpanded, as in
/// the saved configuration: it may be a secret.
std::string json(const Node& node);

}  // namespace ailab::wandb
