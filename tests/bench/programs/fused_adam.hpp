#pragma once
#include <ATen/ATen.h>

#include <vector>

/// Adam by ATen's fused kernel, as a plain program would call it.
struct FusedAdam {
    FusedAdam(std::vector<at::Tensor> given, double rate) : parameters(std::move(given)), lr(rate) {
        for (const at::Tensor& p : parameters) {
            averages.push_back(at::zeros_like(p));
            squares.push_back(at::zeros_like(p));
            steps.push_back(at::zeros({}, at::kFloat));
        }
    }
    void step() {
        const at::NoGradGuard no_grad;
        std::vector<at::Tensor> gradients;
        for (const at::Tensor& p : parameters) gradients.push_back(p.grad());
        at::_foreach_add_(steps, 1);
        at::_fused_adam_(parameters, gradients, averages, squares, {}, steps, lr, 0.9, 0.999, 0,
                         1e-8, false, false);
    }
    std::vector<at::Tensor> parameters, averages, squares, steps;
    double lr;
};
