#pragma once
#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <string>
#include <vector>

namespace ailab::dist {

/// One parameter of a Reducer: its place in a bucket and how far this step has come with it.
struct Slot {
    std::string name;
    at::Tensor parameter;
    at::Tensor view;  // its part of the bucket, with the parameter's strides
    size_t bucket = 0;
    int64_t offset = 0;  // in elements
    int64_t bytes = 0;
    bool dense = true;          // the view's memory has no gaps
    bool has_gradient = false;  // in this step, on this rank
    bool ready = false;         // the step's last backward has been here
};

/// Gradients of one dtype and device in one piece of memory, summed by one all-reduce.
struct Bucket {
    at::ScalarType dtype{};
    c10::Device device = c10::Device(c10::kCPU);
    std::vector<size_t> slots;
    int64_t size = 0;  // elements, the tail's included
    at::Tensor memory;
    std::vector<at::Tensor> reduced;  // the one tensor that the backend is given
    size_t missing = 0;               // slots that are not ready
    bool launched = false;
    c10::intrusive_ptr<c10d::Work> work;
};

/// Numbers at the end of a bucket that are summed along.
struct Tail {
    size_t bucket = 0;
    int64_t offset = 0;
    int64_t size = 0;
};

/// Distributes the slots over buckets of at most `limit` bytes (the first one of `first_limit`), in
/// reverse order, and sets their bucket and offset.
std::vector<Bucket> plan_buckets(std::vector<Slot>& slots, int64_t first_limit, int64_t limit);

/// Makes room for `size` numbers at the end of the last bucket if that one is float32 or float64,
/// else in a bucket of their own.
Tail plan_tail(std::vector<Bucket>& buckets, int64_t size);

/// Takes memory, from the backend where it shares some, and makes the views.
void allocate(std::vector<Bucket>& buckets, std::vector<Slot>& slots, c10d::Backend& backend);

}  // namespace ailab::dist
