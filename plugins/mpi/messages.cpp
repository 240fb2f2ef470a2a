// send and recv.
#include "ailab/error.hpp"
#include "mpi_backend.hpp"

namespace ailab::mpi {

using collectives::PendingWork;

class MpiBackend::Message final : public PendingWork {
  public:
    Message(c10::intrusive_ptr<MpiBackend> backend, c10d::OpType type, at::Tensor tensor, int peer,
            int tag)
        : PendingWork(backend->getRank(), type, std::move(tensor)),
          backend_(std::move(backend)),
          peer_(peer),
          tag_(tag) {}

    int sourceRank() const override { return peer_; }
    MPI_Request& request() { return request_; }

  private:
    bool poll() override {
        const std::lock_guard<std::mutex> guard(backend_->lock());
        int done = 0;
        MPI_Status status;
        if (opType_ == c10d::OpType::RECVANYSOURCE && peer_ < 0) {
            // Which rank it comes from is known when it has come.
            check(MPI_Iprobe(MPI_ANY_SOURCE, tag_, backend_->messages_, &done, &status),
                  "MPI_Iprobe");
            if (!done) return false;
            peer_ = status.MPI_SOURCE;
            check(MPI_Irecv(tensor_.data_ptr(), int(tensor_.nbytes()), MPI_BYTE, peer_, tag_,
                            backend_->messages_, &request_),
                  "MPI_Irecv");
        }
        check(MPI_Test(&request_, &done, &status), "MPI_Test");
        if (done && opType_ != c10d::OpType::SEND) {
            int bytes = 0;
            check(MPI_Get_count(&status, MPI_BYTE, &bytes), "MPI_Get_count");
            if (size_t(bytes) != tensor_.nbytes())
                throw Error(concat("mpi recv: rank ", peer_, " sent ", bytes, " bytes (tag ", tag_,
                                   "), the tensor to receive them holds ", tensor_.nbytes()));
        }
        return done != 0;
    }
    std::string describe() const override {
        return concat("a message of ", tensor_.nbytes(), " bytes ",
                      opType_ == c10d::OpType::SEND ? "to" : "from", " rank ", peer_);
    }

    const c10::intrusive_ptr<MpiBackend> backend_;
    MPI_Request request_ = MPI_REQUEST_NULL;
    int peer_;
    const int tag_;
};

namespace {

int message_bytes(const at::Tensor& tensor) {
    if (tensor.nbytes() > size_t{1} << 30)
        throw Error(concat("mpi: a message of ", tensor.nbytes(),
                           " bytes is over MPI's limit of 2 GB; send it in parts"));
    return int(tensor.nbytes());
}

}  // namespace

c10::intrusive_ptr<PendingWork> MpiBackend::start_send(const at::Tensor& tensor, int rank,
                                                       int tag) {
    auto self = c10::intrusive_ptr<MpiBackend>::reclaim_copy(this);
    auto message =
        c10::make_intrusive<Message>(std::move(self), c10d::OpType::SEND, tensor, rank, tag);
    check(MPI_Isend(tensor.const_data_ptr(), message_bytes(tensor), MPI_BYTE, rank, tag, messages_,
                    &message->request()),
          "MPI_Isend");
    return message;
}

c10::intrusive_ptr<PendingWork> MpiBackend::start_recv(const at::Tensor& tensor, int rank,
                                                       int tag) {
    auto self = c10::intrusive_ptr<MpiBackend>::reclaim_copy(this);
    const auto type = rank < 0 ? c10d::OpType::RECVANYSOURCE : c10d::OpType::RECV;
    auto message = c10::make_intrusive<Message>(std::move(self), type, tensor, rank, tag);
    const int bytes = message_bytes(tensor);
    if (rank >= 0)
        check(MPI_Irecv(tensor.data_ptr(), bytes, MPI_BYTE, rank, tag, messages_,
                        &message->request()),
              "MPI_Irecv");
    return message;
}

}  // namespace ailab::mpi
