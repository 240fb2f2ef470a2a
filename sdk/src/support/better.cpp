#include "ailab/support/better.hpp"

#include <regex>

#include "ailab/support/number_text.hpp"

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

std::optional<bool> greater_is_better_by_name(const std::string& name) {
    static const std::regex less(
        "loss|error|distance|divergence|perplexity|entropy|deviance|"
        "_(mae|mse|rmse|nrmse|msle|rmsle|mape|smape|mase|mdae|nll|bpc|bpb|crps|brier|wer|cer|ter|"
        "eer|fpr|fnr|frr|fid|kid|lpips|ppl|ece|err|hd|assd)[0-9]*_");
    static const std::regex greater(
        "accura|precision|recall|score|similarity|likelihood|reward|sensitivity|specificity|"
        "correlation|jaccard|kappa|corrcoef|iou|dice|signalnoise|"
        "_(acc|topk?|m?ap|m?ar|f[0-9]|f_?beta|auc|auroc|auprc|dsc|r2|psnr|snr|sdr|ssim|mcc|corr|"
        "pearson|spearman|bleu|rouge|meteor|cider|chrf|pq|pck|ndcg|mrr|hits?|tpr|tnr)[0-9]*_");
    const std::string text = as_words(name);
    if (std::regex_search(text, less)) return false;
    if (std::regex_search(text, greater)) return true;
    return {};
}

}  // namespace ailab
