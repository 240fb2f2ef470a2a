// Weights that leave a loss nothing to train on are refused with their configuration.
#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;

std::string complaint(const std::string& loss) {
    return error_of([&] { (void)make<Loss>(loss); });
}

TEST(WeightsOfLosses, AreNotAllZero) {
    const std::string every = " is 0 for every class, so nothing would be trained";
    const std::string both = R"({"type": "WeightedLoss", "losses": {
        "a": {"type": "L1Loss"}, "b": {"type": "MSELoss"}}, "weights": )";
    const std::string fixed = R"({"type": "DynamicWeightedLoss", "mode": "fixed", "losses": {
        "a": {"type": "L1Loss"}, "b": {"type": "MSELoss"}}, "weights": )";
    const std::string none = "weights: all of the losses weigh 0, so nothing would be trained";
    struct Row {
        std::string loss;
        std::string complaint;  // "": it is accepted
    };
    std::vector<Row> table = {
        {R"({"type": "BCEWithLogitsLoss", "pos_weight": []})", "pos_weight is empty"},
        {R"({"type": "BCEWithLogitsLoss", "pos_weight": [0, 0]})", ""},  // the zeros still count
        {R"({"type": "FocalLoss", "alpha": 0})", "alpha" + every},
        {R"({"type": "FocalLoss", "alpha": [0, 0]})", "alpha" + every},
        {R"({"type": "FocalLoss", "alpha": []})", "alpha is empty"},
        {R"({"type": "FocalLoss", "alpha": [0, 0.5]})", ""},
        {R"({"type": "FocalLoss", "activation": "sigmoid", "alpha": 0})", ""},
        {both + R"({"a": 0, "b": 0}})", none},
        {both + R"({"a": 0, "b": 0.5}})", ""},
        {both + R"({"a": 0}})", ""},  // b weighs 1
        {fixed + R"({"a": 0, "b": 0}})", none},
        {fixed + R"({"b": 0}})", ""},
        {R"({"type": "WeightedLoss", "losses": {"ce": {"type": "CrossEntropyLoss",
             "weight": [0, 0]}}})",
         "weight" + every},
    };
    for (const std::string type : {"CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss",
                                   "MultiLabelSoftMarginLoss", "MultiMarginLoss"}) {
        const std::string begin = concat(R"({"type": ")", type, R"(", "weight": )");
        table.push_back({begin + "[0, 0, 0]}", "weight" + every});
        table.push_back({begin + "[0.0]}", "weight" + every});
        table.push_back({begin + "[]}", "weight is empty"});
        table.push_back({begin + "[0, 2, 0]}", ""});
        table.push_back({begin + "null}", ""});
    }
    for (const Row& row : table) {
        const std::string found = complaint(row.loss);
        if (row.complaint.empty())
            EXPECT_EQ(found, "") << row.loss;
        else
            EXPECT_TRUE(contains(found, row.complaint)) << row.loss << ": " << found;
    }
}

}  // namespace
}  // namespace ailab
