// Which options are accepted, and which refused.
#include <gtest/gtest.h>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;

TEST(TransformOptions, AreTorchvisions) {
    for (
        const char* json : {
            R"({"type": "Resize", "size": 256})",
            R"({"type": "Resize", "size": [256], "max_size": 300})",
            R"({"type": "Resize", "size": [224, 320], "interpolation": "bicubic"})",
            R"({"type": "Resize", "size": 9, "interpolation": "nearest", "antialias": false})",
            R"({"type": "CenterCrop", "size": [3, 4]})",
            R"({"type": "RandomCrop", "size": 32, "padding": 4, "padding_mode": "reflect"})",
            R"({"type": "RandomCrop", "size": 32, "padding": [1, 2, 3, 4], "fill": [1, 2, 3]})",
            R"({"type": "RandomCrop", "size": 32, "padding": null, "pad_if_needed": true})",
            R"({"type": "RandomResizedCrop", "size": 224, "scale": [0.5, 1], "ratio": [1, 1]})",
            R"({"type": "RandomHorizontalFlip"})",
            R"({"type": "RandomVerticalFlip", "p": 1})",
            R"({"type": "Pad", "padding": [1, 2], "fill": 127.5})",
            R"({"type": "ColorJitter"})",
            R"({"type": "ColorJitter", "brightness": 0.4, "contrast": [0.5, 2], "hue": 0.1})",
            R"({"type": "ColorJitter", "hue": [-0.5, 0.2], "saturation": null})",
            R"({"type": "Grayscale", "num_output_channels": 3})",
            R"({"type": "RandomGrayscale", "p": 0.2})",
            R"({"type": "GaussianBlur", "kernel_size": 23})",
            R"({"type": "GaussianBlur", "kernel_size": [5, 9], "sigma": 1})",
            R"({"type": "RandomRotation", "degrees": 10, "expand": true, "center": [1, 2]})",
            R"({"type": "RandomRotation", "degrees": [-3, 5], "interpolation": "bilinear"})",
            R"({"type": "RandomAffine", "degrees": 0, "translate": [0.1, 0.2], "shear": 4})",
            R"({"type": "RandomAffine", "degrees": 0, "scale": [0.5, 2], "shear": [0, 1, 2, 3]})",
            R"({"type": "AutoAugment"})",
            R"({"type": "AutoAugment", "policy": "svhn", "fill": 127})",
            R"({"type": "RandAugment", "magnitude": 5, "num_ops": 3})",
            R"({"type": "TrivialAugmentWide", "interpolation": "bilinear"})",
            R"({"type": "AugMix", "severity": 10, "all_ops": false})",
            R"({"type": "RandomErasing", "value": "random"})",
            R"({"type": "RandomErasing", "value": [1, 2, 3]})",
            R"({"type": "ToTensor"})",
            R"({"type": "Normalize", "mean": [0.5], "std": [0.5]})",
            R"({"type": "RandomApply", "transforms": [{"type": "GaussianBlur", "kernel_size": 3}]})",
            R"({"type": "Mixup", "num_classes": 10, "alpha": 0.2})",
            R"({"type": "MixUp"})",
            R"({"type": "CutMix", "num_classes": 10})",
        })
        EXPECT_EQ(error_of([&] { make<Transform>(json); }), "") << json;
}

TEST(TransformOptions, ThatMakeNoSenseAreRefused) {
    struct Case {
        const char* json;
        const char* complaint;
    };
    const std::vector<Case> table = {
        {R"({"type": "Resize"})", "size"},
        {R"({"type": "Resize", "size": 0})", "size"},
        {R"({"type": "Resize", "size": [1, 2, 3]})", "size takes 1 or 2 numbers, got 3"},
        {R"({"type": "Resize", "size": []})", "size takes 1 or 2 numbers, got 0"},
        {R"({"type": "Resize", "size": "big"})", "must be an integer"},
        {R"({"type": "Resize", "size": [1, 2], "max_size": 3})", "max_size goes with a size"},
        {R"({"type": "Resize", "size": 4, "max_size": 4})", "max_size must be above size"},
        {R"({"type": "Resize", "size": 4, "interpolation": "lanczos"})", "nearest, bilinear"},
        {R"({"type": "CenterCrop", "size": [1, 2, 3]})", "size takes 1 or 2 numbers"},
        {R"({"type": "RandomCrop", "size": 3, "padding": -1})", "padding"},
        {R"({"type": "RandomCrop", "size": 3, "padding": [1, 2, 3]})", "padding takes 1 or 2 or 4"},
        {R"({"type": "RandomCrop", "size": 3, "padding_mode": "wrap"})", "constant, edge"},
        {R"({"type": "RandomCrop", "size": 3, "fill": [1, 2]})", "fill takes 1 or 3 numbers"},
        {R"({"type": "RandomResizedCrop", "size": 3, "scale": [1, 0.5]})", "scale: the first"},
        {R"({"type": "RandomResizedCrop", "size": 3, "scale": [-1, 1]})", "scale"},
        {R"({"type": "RandomResizedCrop", "size": 3, "ratio": [0, 1]})", "ratio"},
        {R"({"type": "RandomResizedCrop", "size": 3, "ratio": [1]})", "ratio takes 2 numbers"},
        {R"({"type": "RandomHorizontalFlip", "p": 1.5})", "p"},
        {R"({"type": "Pad", "padding": [1, 2, 3]})", "padding takes"},
        {R"({"type": "ColorJitter", "brightness": -1})", "brightness"},
        {R"({"type": "ColorJitter", "contrast": [2, 1]})", "contrast: the first"},
        {R"({"type": "ColorJitter", "hue": 0.6})", "hue"},
        {R"({"type": "ColorJitter", "hue": -0.1})", "hue must not be negative"},
        {R"({"type": "Grayscale", "num_output_channels": 2})", "must be 1 or 3"},
        {R"({"type": "GaussianBlur", "kernel_size": 4})", "kernel_size must be odd"},
        {R"({"type": "GaussianBlur", "kernel_size": 3, "sigma": 0})", "sigma"},
        {R"({"type": "GaussianBlur", "kernel_size": 3, "sigma": [2, 1]})", "sigma: the first"},
        {R"({"type": "RandomRotation", "degrees": -5})", "degrees must not be negative"},
        {R"({"type": "RandomRotation", "degrees": [5, 1]})", "degrees: the first"},
        {R"({"type": "RandomRotation", "degrees": 5, "center": [1]})", "center takes 2 numbers"},
        {R"({"type": "RandomAffine", "degrees": 5, "interpolation": "bicubic"})", "nearest"},
        {R"({"type": "RandomAffine", "degrees": 5, "translate": [0.1, 2]})", "translate"},
        {R"({"type": "RandomAffine", "degrees": 5, "scale": [0, 2]})", "scale"},
        {R"({"type": "RandomAffine", "degrees": 5, "shear": [1, 2, 3]})", "shear takes"},
        {R"({"type": "AutoAugment", "policy": "coco"})", "imagenet, cifar10, svhn"},
        {R"({"type": "RandAugment", "magnitude": 31})", "magnitude must be below"},
        {R"({"type": "TrivialAugmentWide", "num_magnitude_bins": 1})", "num_magnitude_bins"},
        {R"({"type": "AugMix", "severity": 11})", "severity"},
        {R"({"type": "AugMix", "alpha": 0})", "alpha"},
        {R"({"type": "RandomErasing", "value": "noise"})", "value"},
        {R"({"type": "RandomErasing", "scale": [0.5, 2]})", "scale"},
        {R"({"type": "Normalize", "mean": [0.5]})", "std"},
        {R"({"type": "Normalize", "mean": [0.5], "std": [0]})", "std"},
        {R"({"type": "Normalize", "mean": [0.5], "std": [1, 1, 1]})", "mean has 1 numbers, std 3"},
        {R"({"type": "Normalize", "mean": [1, 1], "std": [1, 1]})", "mean takes 1 or 3 numbers"},
        {R"({"type": "RandomApply"})", "transforms"},
        {R"({"type": "RandomApply", "transforms": [{"type": "Mixup"}]})",
         "Mixup is a transform of whole batches"},
        {R"({"type": "Mixup", "alpha": 0})", "alpha"},
        {R"({"type": "CutMix", "num_classes": 0})", "num_classes"},
    };
    for (const Case& row : table) {
        const std::string error = error_of([&] { make<Transform>(row.json); });
        EXPECT_TRUE(contains(error, row.complaint)) << row.json << "\n" << error;
    }
}

TEST(TransformOptions, AreWrittenAsTheyWereGiven) {
    const auto written = [](const char* json) {
        return test::spec<Transform>(json).config.write().flow();
    };
    EXPECT_TRUE(contains(written(R"({"type": "Resize", "size": 256})"), "size: 256"));
    EXPECT_TRUE(contains(written(R"({"type": "Resize", "size": [256]})"), "size: [256]"));
    EXPECT_TRUE(
        contains(written(R"({"type": "RandomErasing", "value": "random"})"), "value: random"));
    EXPECT_TRUE(contains(written(R"({"type": "RandAugment"})"), "fill: []"));
}

}  // namespace
}  // namespace ailab
