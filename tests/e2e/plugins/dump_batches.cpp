// A hook that writes what the model is fed, for tests that compare it with what ailab-run browse
// shows.
#include <ailab/ailab.hpp>
#include <fstream>

AILAB_PLUGIN("dump_batches", "1.0", "Writes the batches of training")

namespace {

/// `<folder>/<epoch>.<id>`: the bytes of the sample's `input`, row by row.
class DumpBatches final : public ailab::Hook {
  public:
    struct Options {
        std::string folder;
        void visit(ailab::OptionVisitor& v) { v.required("folder", folder, "where the files go"); }
    };
    explicit DumpBatches(const Options& options) : folder_(options.folder) {}

    void before_train_iter(ailab::Run& run) override {
        const ailab::Batch& batch = run.batch();
        for (int64_t i = 0; i < batch.size; ++i) {
            const ailab::Tensor input = batch.tensor("input").select(0, i).contiguous();
            std::ofstream file(
                ailab::concat(folder_, "/", run.progress().epoch, ".", batch.ids[size_t(i)]),
                std::ios::binary);
            file.write(static_cast<const char*>(input.const_data_ptr()),
                       std::streamsize(input.nbytes()));
        }
    }

  private:
    const std::string folder_;
};

/// A line a sample of training: the first number of its `input`, and its label.
class DumpLabels final : public ailab::Hook {
  public:
    struct Options {
        std::string file;
        void visit(ailab::OptionVisitor& v) { v.required("file", file, "where the lines go"); }
    };
    explicit DumpLabels(const Options& options) : file_(options.file) {}

    void before_train_iter(ailab::Run& run) override {
        const ailab::Batch& batch = run.batch();
        const char* const key = batch.has("label") ? "label" : "target";
        const ailab::Tensor numbers = batch.tensor("input").flatten(1).select(1, 0);
        for (int64_t i = 0; i < batch.size; ++i)
            file_ << numbers[i].item<double>() << ' ' << batch.tensor(key)[i].item<int64_t>()
                  << '\n';
        file_.flush();
    }

  private:
    std::ofstream file_;
};

}  // namespace

AILAB_REGISTER_HOOK(DumpLabels, "Writes what labels go with which inputs")
AILAB_REGISTER_HOOK(DumpBatches, "Writes each sample of each batch")
