#include "many_job.hpp"

#include <ATen/ATen.h>
#include <unistd.h>

#include <cstring>

#include "host/exit_guard.hpp"
#include "launcher_watch.hpp"
#include "log/log.hpp"
#include "modules/collective.hpp"
#include "quiet_c10d.hpp"

namespace ailab::dist {
namespace {

/// The local ranks as the ranks' hosts tell, where the launcher left them open.
RankInfo refined(RankInfo rank_info, const std::vector<Member>& members) {
    int size = 0, rank = 0;
    for (int each = 0; each < rank_info.world_size; ++each) {
        if (members[size_t(each)].host_id != members[size_t(rank_info.rank)].host_id) continue;
        ++size;
        if (each < rank_info.rank) ++rank;
    }
    if (rank_info.local_size < 1) rank_info.local_size = size;
    if (rank_info.local_rank < 0) rank_info.local_rank = rank;
    return rank_info;
}

void put(const std::string& text, int64_t* to) {
    if (!text.empty())
        std::memcpy(to, text.data(), text.size());  // to may be null where there is none
}

/// Text as int64, which every backend can sum: eight bytes a number.
at::Tensor pack(const std::string& text, int64_t words) {
    at::Tensor packed = at::zeros({words}, at::kLong);
    put(text, packed.data_ptr<int64_t>());
    return packed;
}

int64_t words(int64_t bytes) {
    return (bytes + 7) / 8;
}

std::string unpack(const at::Tensor& packed, int64_t from_word, int64_t bytes) {
    const auto* data = static_cast<const char*>(packed.const_data_ptr()) + from_word * 8;
    return std::string(data, size_t(bytes));
}

/// Not every backend knows complex numbers, and both of their parts travel alike.
at::Tensor real_parts(const at::Tensor& tensor) {
    return tensor.is_complex() ? at::view_as_real(tensor) : tensor;
}

/// As one dimension of real numbers: a copy where it does not lie so.
at::Tensor flat(const at::Tensor& tensor) {
    return real_parts(tensor.resolve_conj().contiguous()).view({-1});
}

/// For what is not told the timeout with each call: buckets in shared memory, c10d's own calls.
void set_timeout_of(c10d::Backend& communicator, std::chrono::milliseconds timeout) {
    try {
        communicator.setTimeout(timeout);
    } catch (const c10::Error&) {
        // c10d's default: the backend has no other timeouts than those of its calls.
    }
}

}  // namespace

ManyJob::ManyJob(const RankInfo& rank_info, Joined joined, std::chrono::milliseconds timeout)
    : rank_info_(refined(rank_info, joined.members)),
      watcher_(std::move(joined.watcher)),
      store_(std::move(joined.store)),
      timeout_(timeout) {
    store_->setTimeout(timeout_);
    // What listens for other ranks (gloo) does so there, and not on all addresses.
    store_->set(concat("ailab/address/", rank_info_.rank),
                joined.members[size_t(rank_info_.rank)].address);
    watcher_->limit_waits(timeout_);
    const auto fail_here = [watcher = watcher_.get()](const std::string& text) {
        watcher->fail(text, 1, false);
    };
    when_launcher_ends([fail_here] { fail_here(launcher_is_gone); });
    tell_exits([fail_here, watcher = watcher_.get()](const std::string& text) {
        const std::string doing = watcher->beat().read().doing;
        fail_here(doing.empty() ? text : concat(doing, ": ", text));
    });
    collect_warnings([watcher = watcher_.get()](const std::string& text) { watcher->warn(text); });
}

ManyJob::~ManyJob() {
    collect_warnings({});
    stop_telling();
}

void ManyJob::stop_telling() {
    when_launcher_ends([] {});  // the run has its status
    tell_exits({});
}

void ManyJob::use(std::shared_ptr<Backend> backend, c10::Device device) {
    const QuietC10d quiet;
    device_ = device;
    communicator_ = backend->create(rank_info_, store_, device);
    set_timeout_of(*communicator_, timeout_);
    backend_name_ = communicator_->getBackendName();
    backend_ = std::move(backend);
    watcher_->see_waits(device.is_cpu());
    watcher_->on_abort([backend = backend_] { backend->abort(); });
}

void ManyJob::fail(const std::string& message, int status) {
    watcher_->fail(message, status, collective_failed());
}

void ManyJob::finish() {
    if (std::exchange(finished_, true)) return;
    collect_warnings({});
    watcher_->wait_for_done();
    watcher_->beat().set_doing("closing the backend", nullptr);
    // No rank is in a collective any more.
    communicator_.reset();
    if (backend_) backend_->shutdown();
    stop_telling();
    watcher_->leave();
}

// ---- collectives

std::chrono::milliseconds ManyJob::wait_time() const {
    return device_.is_cpu() ? timeout_ : std::chrono::milliseconds(0);
}

template <class Start>
void ManyJob::run(const char* name, const at::Tensor& tensor, const Start& start) {
    run_collective(name, start, wait_time(),
                   [&] { return concat(name, " of ", describe(tensor), " over ", backend_name_); });
}

void ManyJob::require_backend() const {
    if (!communicator_)
        throw Error("a collective was called before the job had a backend (Job::use())");
}

void ManyJob::on_device(at::Tensor& tensor, const std::function<void(at::Tensor&)>& collective) {
    require_backend();
    if (tensor.numel() == 0) return;
    const at::NoGradGuard no_grad;
    if (tensor.device() == device_ && tensor.is_contiguous()) return collective(tensor);
    at::Tensor moved = tensor.to(device_).contiguous();
    collective(moved);
    tensor.copy_(moved);
}

void ManyJob::all_reduce(at::Tensor& tensor, c10d::ReduceOp::RedOpType op, const char* name) {
    on_device(tensor, [&](at::Tensor& moved) {
        std::vector<at::Tensor> tensors{moved};
        c10d::AllreduceOptions options;
        options.reduceOp = op;
        options.timeout = timeout_;
        run(name, moved, [&] { return communicator_->allreduce(tensors, options); });
    });
}

void ManyJob::all_reduce_sum(at::Tensor& tensor) {
    all_reduce(tensor, c10d::ReduceOp::SUM, "all_reduce_sum");
}

void ManyJob::all_reduce_max(at::Tensor& tensor) {
    all_reduce(tensor, c10d::ReduceOp::MAX, "all_reduce_max");
}

void ManyJob::all_reduce_min(at::Tensor& tensor) {
    all_reduce(tensor, c10d::ReduceOp::MIN, "all_reduce_min");
}

void ManyJob::broadcast(at::Tensor& tensor, int root) {
    on_device(tensor, [&](at::Tensor& moved) {
        std::vector<at::Tensor> tensors{real_parts(moved)};
        c10d::BroadcastOptions options;
        options.rootRank = root;
        options.timeout = timeout_;
        run("broadcast", moved, [&] { return communicator_->broadcast(tensors, options); });
    });
}

void ManyJob::all_gather(at::Tensor& whole, const at::Tensor& piece) {
    check_parts("all_gather", whole, piece, world_size());
    on_device(whole, [&](at::Tensor& moved) {
        at::Tensor into = flat(moved);
        at::Tensor mine = flat(piece.to(device_));
        c10d::AllgatherOptions options;
        options.timeout = timeout_;
        run("all_gather", piece,
            [&] { return communicator_->_allgather_base(into, mine, options); });
    });
}

void ManyJob::reduce_scatter_sum(at::Tensor& piece, const at::Tensor& whole) {
    check_parts("reduce_scatter_sum", whole, piece, world_size());
    on_device(piece, [&](at::Tensor& moved) {
        at::Tensor into = flat(moved);
        at::Tensor all = flat(whole.to(device_));
        c10d::ReduceScatterOptions options;
        options.reduceOp = c10d::ReduceOp::SUM;
        options.timeout = timeout_;
        run("reduce_scatter_sum", whole,
            [&] { return communicator_->_reduce_scatter_base(into, all, options); });
    });
}

void ManyJob::barrier() {
    if (!communicator_) {
        exchange("barrier", "");
        return;
    }
    c10d::BarrierOptions options;
    options.timeout = timeout_;
    if (!device_.is_cpu()) {
        options.device = device_;
        options.device_ids = {device_.index()};
    }
    run_collective(
        "barrier", [&] { return communicator_->barrier(options); }, wait_time(),
        [&] { return concat("barrier over ", backend_name_); });
}

// ---- text

void ManyJob::to_store(const std::string& key, const std::string& text, const std::string& name) {
    try {
        store_->set(key, text);
    } catch (const c10::Error& error) {
        throw CollectiveError(concat(name, " failed: ", error.what_without_backtrace()));
    }
}

std::string ManyJob::from_store(const std::string& key, const std::string& name, int from_rank) {
    const InCollective here("an exchange");
    try {
        return store_->get_to_str(key);
    } catch (const c10::Error& error) {
        throw CollectiveError(concat(name, " waited for rank ", from_rank,
                                     " and failed: ", error.what_without_backtrace()));
    }
}

std::vector<std::string> ManyJob::exchange(const std::string& key, const std::string& text) {
    const std::string round = concat("ailab/exchange/", exchanges_++, "/", key, "/");
    to_store(round + std::to_string(rank()), text, concat("exchange of ", key));
    std::vector<std::string> texts;
    for (int from = 0; from < world_size(); ++from)
        texts.push_back(from == rank() ? text
                                       : from_store(round + std::to_string(from),
                                                    concat("exchange of ", key), from));
    return texts;
}

std::vector<std::string> ManyJob::gather_text(const std::string& text) {
    return communicator_ ? gather_by_backend(text) : exchange("gather_text", text);
}

std::string ManyJob::broadcast_text(const std::string& text) {
    return communicator_ ? broadcast_by_backend(text) : broadcast_by_store(text);
}

std::string ManyJob::broadcast_by_store(const std::string& text) {
    const std::string key = concat("ailab/exchange/", exchanges_++, "/broadcast_text");
    if (rank() != 0) return from_store(key, "broadcast_text", 0);
    to_store(key, text, "broadcast_text");
    return text;
}

std::string ManyJob::broadcast_by_backend(const std::string& text) {
    at::Tensor size = at::full({1}, int64_t(text.size()), at::kLong);
    broadcast(size, 0);
    const int64_t count = size.item<int64_t>();
    at::Tensor packed =
        rank() == 0 ? pack(text, words(count)) : at::zeros({words(count)}, at::kLong);
    broadcast(packed, 0);
    return unpack(packed, 0, count);
}

std::vector<std::string> ManyJob::gather_by_backend(const std::string& text) {
    at::Tensor sizes = at::zeros({world_size()}, at::kLong);
    sizes[rank()] = int64_t(text.size());
    all_reduce_sum(sizes);
    const int64_t* counts = sizes.const_data_ptr<int64_t>();
    std::vector<int64_t> begins(1, 0);
    for (int each = 0; each < world_size(); ++each)
        begins.push_back(begins.back() + words(counts[each]));
    // Each rank fills its own part, the others hold zeros there: the sum is the concatenation.
    at::Tensor all = at::zeros({begins.back()}, at::kLong);
    put(text, all.data_ptr<int64_t>() + begins[size_t(rank())]);
    all_reduce_sum(all);
    std::vector<std::string> texts;
    for (int each = 0; each < world_size(); ++each)
        texts.push_back(unpack(all, begins[size_t(each)], counts[each]));
    return texts;
}

}  // namespace ailab::dist
