#include "ailab/better.hpp"

#include <algorithm>
#include <array>

#include "ailab/number_text.hpp"

namespace ailab {
namespace {

/// The name in small letters, between single underscores: "_val_mse_".
std::string as_words(const std::string& name) {
    std::string words = "_";
    for (const char c : lower_case(name) + "_")
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            words += c;
        else if (words.back() != '_')
            words += '_';
    return words;
}

}  // namespace

bool less_is_better_by_name(const std::string& name) {
    constexpr std::array parts = {"loss",       "error",   "distance", "divergence",
                                  "perplexity", "entropy", "deviance"};
    constexpr std::array words = {"_mae_", "_mse_", "_rmse_", "_mape_", "_smape_",
                                  "_nll_", "_wer_", "_cer_",  "_ter_",  "_fid_",
                                  "_kid_", "_ppl_", "_ece_",  "_err_"};
    const std::string text = as_words(name);
    const auto occurs = [&text](const char* part) { return text.find(part) != std::string::npos; };
    return std::any_of(parts.begin(), parts.end(), occurs) ||
           std::any_of(words.begin(), words.end(), occurs);
}

}  // namespace ailab
