// send and recv.
#include "ailab/error.hpp"
#include "shm_backend.hpp"

namespace ailab::shm {

using collectives::PendingWork;

class ShmBackend::Message final : public PendingWork {
  public:
    Message(c10::intrusive_ptr<ShmBackend> backend, c10d::OpType type,
            std::shared_ptr<Transfer> transfer)
        : PendingWork(backend->getRank(), type, transfer->tensor),
          backend_(std::move(backend)),
          transfer_(std::move(transfer)) {}

    int sourceRank() const override { return transfer_->peer; }

  private:
    bool poll() override {
        const std::lock_guard<std::mutex> guard(backend_->lock());
        if (!transfer_->done) backend_->mailbox_.progress();
        backend_->watch_messages();
        // Once in about 100 ms.
        if (!transfer_->done && ++polls_ % 1024 == 0) backend_->team_.check_alive(describe());
        return transfer_->done;
    }
    std::string describe() const override {
        return concat("a message of ", tensor_.nbytes(), " bytes ",
                      opType_ == c10d::OpType::SEND ? "to" : "from", " rank ", transfer_->peer);
    }

    const c10::intrusive_ptr<ShmBackend> backend_;
    const std::shared_ptr<Transfer> transfer_;
    int polls_ = 0;
};

void ShmBackend::watch_messages() {
    // A rank that waits in a collective must still pass its messages on: the one it waits for may
    // be waiting for them.
    if (mailbox_.busy())
        team_.set_idle([this] { mailbox_.progress(); });
    else
        team_.set_idle(nullptr);
}

c10::intrusive_ptr<PendingWork> ShmBackend::start_send(const at::Tensor& tensor, int rank,
                                                       int tag) {
    auto transfer = mailbox_.send(tensor, rank, tag);
    watch_messages();
    return c10::make_intrusive<Message>(c10::intrusive_ptr<ShmBackend>::reclaim_copy(this),
                                        c10d::OpType::SEND, std::move(transfer));
}

c10::intrusive_ptr<PendingWork> ShmBackend::start_recv(const at::Tensor& tensor, int rank,
                                                       int tag) {
    auto transfer = mailbox_.receive(tensor, rank, tag);
    watch_messages();
    return c10::make_intrusive<Message>(c10::intrusive_ptr<ShmBackend>::reclaim_copy(this),
                                        rank < 0 ? c10d::OpType::RECVANYSOURCE : c10d::OpType::RECV,
                                        std::move(transfer));
}

}  // namespace ailab::shm
