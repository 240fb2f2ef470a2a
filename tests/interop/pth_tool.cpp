// Says what files of torch.save() hold, for test_pth.py.
#include <ATen/ATen.h>

#include <cstdio>
#include <iostream>
#include <map>

#include "ailab/ailab.hpp"
#include "ailab/support/crc32c.hpp"
#include "checkpoint/original_checkpoint.hpp"
#include "checkpoint/state_files.hpp"
#include "checkpoint/weights_file.hpp"
#include "pth/pth_file.hpp"

namespace ailab {
namespace {

std::string line(const std::string& name, const at::Tensor& tensor) {
    const at::Tensor bytes = tensor.contiguous();
    char checksum[16];
    std::snprintf(checksum, sizeof checksum, "%08x",
                  crc32c(bytes.const_data_ptr(), bytes.nbytes()));
    return concat(name, "\t", c10::toString(tensor.scalar_type()), "\t", c10::str(tensor.sizes()),
                  "\t", checksum);
}

/// Every value by its path, one a line.
class Lister {
  public:
    explicit Lister(PthFile& file) : file_(file) {}

    void list(const PickleValue& value, const std::string& path, int depth = 0) {
        constexpr int deep = 20;
        if (depth == deep) return;
        const auto* items = items_of(value);
        if (PthFile::is_tensor(value)) {
            const at::Tensor tensor = file_.tensor(value, path);
            std::printf("%s\t%s\tstorage %zu\n", line(path, tensor).c_str(),
                        c10::str(tensor.strides()).c_str(), storage_number(tensor));
        } else if (const std::optional<Node> plain = as_plain(value)) {
            std::printf("%s\t%s\n", path.c_str(), values_to_json(*plain).c_str());
        } else if (is_mapping(value)) {
            for (const auto& [key, item] : entries_of(value)) {
                const std::optional<Node> name = as_plain(*key);
                const std::string text = !name               ? describe(*key)
                                         : name->is_string() ? name->as_string()
                                                             : values_to_json(*name);
                list(*item, path + "/" + text, depth + 1);
            }
        } else if (items) {
            for (size_t i = 0; i < items->size(); ++i)
                list(*(*items)[i], concat(path, "/", i), depth + 1);
        } else {
            std::printf("%s\t%s\n", path.c_str(), describe(value).c_str());
        }
    }

  private:
    size_t storage_number(const at::Tensor& tensor) {
        const void* data = tensor.storage().data();
        size_t i = 0;
        while (i < storages_.size() && storages_[i] != data) ++i;
        if (i == storages_.size()) storages_.push_back(data);
        return i;
    }

    PthFile& file_;
    std::vector<const void*> storages_;
};

void values(const std::string& path) {
    PthFile file(path);
    Lister(file).list(file.root(), "");
}

void print(const WeightsFile& weights) {
    std::printf("key\t%s\nprefix\t%s\n", weights.key.c_str(), weights.prefix.c_str());
    for (const std::string& text : weights.left_out) std::printf("left out\t%s\n", text.c_str());
    for (const auto& [name, tensor] : weights.tensors)
        std::printf("%s\n", line(name, tensor).c_str());
}

void weights(const std::string& path) {
    print(read_weights_file(path));
}

void original(const std::string& path) {
    const OriginalCheckpoint checkpoint = read_original_checkpoint(path);
    std::printf("epoch\t%lld\n", static_cast<long long>(checkpoint.epoch));
    print(checkpoint.model);
    if (!checkpoint.optimizer) return;
    std::vector<std::string> names;
    for (const auto& [name, tensor] : checkpoint.model.tensors) names.push_back(name);
    const State state = to_optimizer_state(*checkpoint.optimizer, names);
    for (const auto& [name, tensor] : state.tensors)
        std::printf("%s\n", line("optimizer/" + name, tensor).c_str());
    std::printf("optimizer\t%s\n", values_to_json(state.values).c_str());
}

}  // namespace
}  // namespace ailab

/// One request a line, "values FILE"; what is asked for, then "ok" or "error", a tab and the
/// reason.
int main() {
    const std::map<std::string, void (*)(const std::string&)> commands = {
        {"values", ailab::values}, {"weights", ailab::weights}, {"original", ailab::original}};
    for (std::string command, path; std::cin >> command >> path;) {
        try {
            commands.at(command)(path);
            std::printf("ok\n");
        } catch (const ailab::Error& error) {
            std::printf("error\t%s\n", error.what());
        }
        std::fflush(stdout);
    }
}
